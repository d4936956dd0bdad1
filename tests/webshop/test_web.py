"""The shop in a browser: every click an action of the engine, every visit a record, hostile text still text."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest
from chromium import CHROMIUM, Chromium
from markupsafe import escape

from a3t.cli.shop import Recorder, play_on_the_web
from a3t.envs.webshop import WebshopEnv
from a3t.envs.webshop.pages import item_page, results_page, sub_page
from a3t.envs.webshop.product import Product
from a3t.envs.webshop.web.layout import lay_out, render
from a3t.envs.webshop.web.server import open_server
from a3t.envs.webshop.web.storefront import MAX_VISITS, Storefront
from a3t.errors import BadDataError, RecipeError, TestTaskError
from a3t.store import Store, read_jsonl
from a3t.types import Author, Stage, Stop, Task, Trajectory

WISH = "a red mug, and price lower than 20.00 dollars"
HOSTILE = "</button><script>alert(1)</script> &amp; \"x\" 'y' {{ 7 * 7 }} \x00\x1b[2J\u202e"


@pytest.fixture
def env(generated: Path) -> WebshopEnv:
    return WebshopEnv(data=generated / "catalogue")


def winnable(env: WebshopEnv, split: str = "train") -> tuple[list[Task], list[str]]:
    """Tasks that begin with one whose solution chooses an option on the first page of results, and that solution."""
    tasks = list(env.tasks(split))
    for place, task in enumerate(tasks):
        actions = env.solution(task.task_id) or []
        if len(actions) == 5 and not any("next >" in action.lower() for action in actions):
            return tasks[place:], actions
    raise AssertionError("no task to win")


@contextmanager
def opened(shop: Storefront) -> Iterator[int]:
    """The shop, served; its port."""
    server = open_server(shop)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        shop.close()


class Buttons(HTMLParser):
    """Buttons of a page by their text: the places that they send."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.places: dict[str, str] = {}
        self.tags: list[str] = []
        self.fields: dict[str, str] = {}
        self._open: str | None = None
        self._text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "button":
            self._open, self._text = dict(attrs).get("value"), ""
        if tag == "input":
            self.fields[str(dict(attrs).get("name"))] = str(dict(attrs).get("value"))

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self._open is not None:
            self.places[self._text] = self._open


class Visitor:
    """A browser without eyes."""

    def __init__(self, shop: Storefront) -> None:
        self.shop = shop
        self.token = shop.begin()

    @property
    def page(self) -> str:
        return self.shop.page(self.token)

    def click(self, text: str) -> None:
        buttons = Buttons(self.page)
        self.shop.act(self.token, {"at": buttons.fields["at"], "click": buttons.places[text]})

    def say(self, **form: str) -> None:
        self.shop.act(self.token, {"at": Buttons(self.page).fields["at"], **form})

    def do(self, action: str) -> None:
        """An action of the engine, done by its button or in the search box."""
        verb, argument = action[:-1].split("[", 1)
        if verb == "search":
            self.say(search=argument)
        else:
            self.click(next(text for text in Buttons(self.page).places if text.lower() == argument.lower()))


# --- visits ---------------------------------------------------------------------------


def test_clicks_in_the_browser_are_the_engines_actions_and_the_visit_is_a_record(env: WebshopEnv, generated: Path) -> None:
    kept: list[Trajectory] = []
    tasks, actions = winnable(env)
    visitor = Visitor(Storefront(env, tasks, ended=lambda t: kept.append(t) or "Kept."))
    visitor.say(thought="its title will find it")
    for action in actions:
        visitor.do(action)
    (record,) = kept
    assert (record.task, record.stage, record.stop, record.reward, record.agent) == (
        tasks[0], Stage.IMPORT, Stop.SUCCESS, 1.0, "human",
    )  # fmt: skip
    assert record.environment == env.version
    assert [step.action.lower() for step in record.steps] == ["", *(action.lower() for action in actions)]
    assert record.steps[0].thought == "its title will find it"
    assert {(s.action_by, s.thought_by, s.valid) for s in record.steps} == {(Author.HUMAN, Author.HUMAN, True)}
    again = WebshopEnv(data=generated / "catalogue")
    assert again.reset(options={"task_id": record.task.task_id})[0] == record.observation
    assert [again.step(step.action)[0] for step in record.steps[1:]] == [step.observation for step in record.steps[1:]]
    page = visitor.page
    assert '<output id="score">1.0</output>' in page and "Kept." in page
    for part in ("Attributes", "Options", "Price", "Kind of product"):
        assert f'<th scope="row">{part}</th>' in page
    assert "in 5 actions" in page


def test_the_pages_tell_what_the_agent_reads(env: WebshopEnv) -> None:
    """Every word of the engine's page stands in the HTML."""
    tasks, actions = winnable(env)
    visitor = Visitor(Storefront(env, tasks))
    for action in [*actions[:-1], "click[Features]", "click[< Prev]", "click[Description]"]:
        visitor.do(action)
        shown = re.sub(r"<[^>]+>", " ", visitor.page)
        env.restore(visitor.shop._visits[visitor.token].state)
        for piece in env.page(env.snapshot()).pieces:
            assert all(str(escape(word)) in shown for word in piece.text.split()), piece


def test_a_chosen_option_is_pressed(env: WebshopEnv) -> None:
    tasks, actions = winnable(env)
    visitor = Visitor(Storefront(env, tasks))
    for action in actions[:2]:
        visitor.do(action)
    assert 'aria-pressed="true"' not in visitor.page
    visitor.do(actions[2])
    (pressed,) = re.findall(r'aria-pressed="true">([^<]*)<', visitor.page)
    assert f"click[{pressed}]" == actions[2]


def test_a_button_of_an_earlier_page_does_nothing(env: WebshopEnv) -> None:
    tasks, actions = winnable(env)
    shop = Storefront(env, tasks)
    visitor = Visitor(shop)
    old = Buttons(visitor.page).fields["at"]
    visitor.do(actions[0])
    shop.act(visitor.token, {"at": old, "search": "something else"})
    assert "a button of an earlier page" in visitor.page
    assert [step.action for step in shop._visits[visitor.token].steps] == [actions[0]]


@pytest.mark.parametrize(
    "form",
    [{}, {"click": "99999"}, {"click": "-1"}, {"click": "x"}, {"click": "٣"}, {"search": "  "}, {"search": "[]"}, {"a": "b"}],
)
def test_nonsense_changes_nothing(env: WebshopEnv, form: dict[str, str]) -> None:
    shop = Storefront(env, winnable(env)[0])
    visitor = Visitor(shop)
    visitor.say(**form)
    visit = shop._visits[visitor.token]
    assert not visit.steps and "Nothing happens." in visitor.page


def test_a_query_with_brackets_and_line_breaks_is_one_search(env: WebshopEnv) -> None:
    shop = Storefront(env, winnable(env)[0])
    visitor = Visitor(shop)
    visitor.say(search="red]\n[mug")
    (step,) = shop._visits[visitor.token].steps
    assert step.action == "search[red mug]" and step.valid


def test_visitors_do_not_disturb_each_other(env: WebshopEnv) -> None:
    tasks, actions = winnable(env)
    shop = Storefront(env, tasks)
    one, other = Visitor(shop), Visitor(shop)
    one.do(actions[0])
    other.say(search="shoes")
    for action in actions[1:]:
        one.do(action)
    assert '<output id="score">1.0' in one.page and "Page 1 " in other.page


def test_the_next_task_is_the_one_after(env: WebshopEnv) -> None:
    tasks = list(env.tasks("train"))
    shop = Storefront(env, tasks, first=len(tasks) - 1)
    token = shop.begin()
    assert f"task {tasks[-1].task_id} " in shop.page(token)
    assert f"task {tasks[0].task_id} " in shop.page(shop.after(token))


def test_left_visits_are_recorded_as_left_where_anything_was_done(env: WebshopEnv) -> None:
    kept: list[Trajectory] = []
    shop = Storefront(env, list(env.tasks("train")), ended=lambda t: kept.append(t) or "")
    idle, busy = Visitor(shop), Visitor(shop)
    busy.say(search="shoes")
    for _ in range(MAX_VISITS - 1):
        shop.begin()
    assert not shop.knows(idle.token) and not kept
    shop.close()
    assert [(t.stop, t.actions) for t in kept] == [(Stop.TURN_LIMIT, ("search[shoes]",))]


def test_a_record_that_cannot_be_kept_is_told_to_the_visitor(env: WebshopEnv) -> None:
    def fails(_: Trajectory) -> str:
        raise BadDataError("the disk is made of cheese")

    tasks, actions = winnable(env)
    visitor = Visitor(Storefront(env, tasks, ended=fails))
    for action in actions:
        visitor.do(action)
    assert "Not recorded: the disk is made of cheese" in visitor.page


# --- hostile text -----------------------------------------------------------------------


def test_hostile_product_text_is_never_markup() -> None:
    product = Product(
        "B0HOSTILE1", HOSTILE, HOSTILE, (HOSTILE, "x" * 100_000), (9.5,), "$9.5", ((HOSTILE, (HOSTILE, "red")),), (HOSTILE,),
        HOSTILE, HOSTILE, HOSTILE, HOSTILE,
    )  # fmt: skip
    for kind, page in (
        ("search_results", results_page(HOSTILE, [product], 1, 1)),
        ("item_page", item_page(HOSTILE, product)),
        ("item_sub_page", sub_page(HOSTILE, product, "Features")),
    ):
        html = render(
            "page",
            task=Task(HOSTILE, HOSTILE, HOSTILE),
            instruction=HOSTILE,
            note=HOSTILE,
            token="t",
            kind=kind,
            sub_page=HOSTILE,
            title=product.title,
            layout=lay_out(page, HOSTILE, {HOSTILE: "red"}),
            at=0,
            buy="Buy Now",
            sub_pages=("Features",),
            max_query=10,
            thoughts=[HOSTILE],
        )
        parsed = Buttons(html)
        assert not {"script", "iframe", "img"} & set(parsed.tags)
        assert "49" not in html and "&lt;script&gt;" in html
        assert not any(character in html for character in "\x00\x1b\u202e")
        assert all(place.isdigit() for place in parsed.places.values())


def test_an_option_group_that_is_called_like_the_title_stays_apart() -> None:
    product = Product("B000000MUG", "mug", "", ("",), (9.5,), "$9.5", (("mug", ("red",)), ("empty", ())), (), "", "", "", "")
    layout = lay_out(item_page(WISH, product), WISH, {"mug": "red"})
    assert [(c.name, [(b.text, b.pressed) for b in c.values]) for c in layout.choices] == [("mug", [("red", True)])]
    assert layout.texts == ["empty", "mug", "Price: $9.5", "Rating: N.A."]


# --- HTTP -----------------------------------------------------------------------------------


def answered(port: int, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str, str]:
    """Status, address of a redirection, text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded", **headers})
        response = connection.getresponse()
        return response.status, response.headers.get("Location", ""), response.read().decode()
    finally:
        connection.close()


def test_an_item_is_bought_over_http(env: WebshopEnv) -> None:
    tasks, actions = winnable(env)
    with opened(Storefront(env, tasks)) as port:
        status, visit, _ = answered(port, "GET", "/")
        assert status == 303 and re.fullmatch(r"/visit/[\w-]{16}", visit)
        for at, action in enumerate(actions):
            page = Buttons(answered(port, "GET", visit)[2])
            argument = action[:-1].split("[", 1)[1]
            place = next((place for text, place in page.places.items() if text.lower() == argument.lower()), "")
            form = {"at": str(at), **({"click": place} if place else {"search": argument})}
            assert answered(port, "POST", visit, urlencode(form))[:2] == (303, visit)
        assert '<output id="score">1.0</output>' in answered(port, "GET", visit)[2]
        status, following, _ = answered(port, "POST", visit.replace("visit", "next"), "")
        assert status == 303 and f"task {tasks[1].task_id} " in answered(port, "GET", following)[2]
        assert "button.main" in answered(port, "GET", "/shop.css")[2]


def test_only_this_machine_under_its_own_name_is_answered(env: WebshopEnv) -> None:
    with opened(Storefront(env, list(env.tasks("train")))) as port:
        assert answered(port, "GET", "/", Host="evil.example")[0] == 403
        assert answered(port, "POST", "/", "", Host=f"evil.example:{port}")[0] == 403
        assert answered(port, "GET", "/", Host=f"localhost:{port}")[0] == 303
        mine = socket.gethostbyname(socket.gethostname())
        if mine != "127.0.0.1" and not mine.startswith("127."):
            with pytest.raises(OSError), socket.create_connection((mine, port), timeout=2):
                pass


def test_requests_that_make_no_sense_are_refused(env: WebshopEnv) -> None:
    with opened(Storefront(env, list(env.tasks("train")))) as port:
        visit = answered(port, "GET", "/")[1]
        for path in ("/visit/unknown", "/nothing", "/visit", "/../../etc/passwd", "/shop.css/x"):
            assert answered(port, "GET", path)[0] == 404
            assert answered(port, "POST", path, "at=0")[0] == 404
        assert answered(port, "POST", visit, "x" * 70_000)[0] == 413
        assert answered(port, "POST", visit, "&".join(f"a{n}=1" for n in range(40)))[0] == 400
        assert answered(port, "POST", visit, "at=0", **{"Content-Length": "-4"})[0] == 413
        assert answered(port, "POST", visit, "at=0&search=%ff%00%5b")[0] == 303
        assert answered(port, "GET", visit)[0] == 200


def test_a_port_that_is_taken_says_so(env: WebshopEnv) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(RecipeError, match="port 0, which takes any free one"):
            open_server(Storefront(env, list(env.tasks("train"))), taken.getsockname()[1])


# --- where sessions go ------------------------------------------------------------------------


def session(task: Task, *actions: str) -> Trajectory:
    from a3t.envs.play import human_trajectory
    from a3t.types import Step

    steps = [Step("", action, "Done.", Author.HUMAN, Author.HUMAN) for action in actions]
    return human_trajectory(task, "Begin.", steps, 0.5, Stop.FAILURE, environment="webshop")


def test_sessions_on_one_task_are_numbered_in_a_store_and_in_a_file(tmp_path: Path) -> None:
    task = Task("7", "train", "garden", WISH)
    for path in (tmp_path / "people", tmp_path / "people.jsonl"):
        for action in ("search[mug]", "search[red mug]"):
            assert "Recorded in" in Recorder(path).add(session(task, action))
        Recorder(path).add(session(replace(task, task_id="8"), "search[x]"))
    with Store.open(tmp_path / "people", read_only=True) as store:
        stored = list(store.training_trajectories())
    assert stored == list(read_jsonl(tmp_path / "people.jsonl"))
    assert [(t.task.task_id, t.attempt, t.stage, t.actions) for t in stored] == [
        ("7", 0, Stage.IMPORT, ("search[mug]",)),
        ("7", 1, Stage.IMPORT, ("search[red mug]",)),
        ("8", 0, Stage.IMPORT, ("search[x]",)),
    ]


def test_a_store_of_sessions_is_closed_to_test_tasks_before_anybody_plays(tmp_path: Path) -> None:
    test = Task("3", "test", "garden", WISH)
    with pytest.raises(TestTaskError, match="--split train"):
        Recorder(tmp_path / "people").refuse_early([test])
    Recorder(tmp_path / "people.jsonl").refuse_early([test])
    Recorder(None).refuse_early([test])
    with pytest.raises(TestTaskError):
        Recorder(tmp_path / "people").add(session(test, "search[mug]"))


@pytest.mark.parametrize("split", ["all", "agentboard_easy", "agentboard_hard"])
def test_a_test_goal_is_one_under_every_splits_name(env: WebshopEnv, tmp_path: Path, split: str) -> None:
    recorder = Recorder(tmp_path / "people", env)
    with pytest.raises(TestTaskError, match=f"{split}/\\d+ is a test task"):
        recorder.refuse_early(env.tasks(split))
    with pytest.raises(TestTaskError):
        recorder.add(session(env.tasks(split)[0], "search[mug]"))
    recorder.refuse_early(env.tasks("train"))
    recorder.add(session(env.tasks("all")[-1], "search[mug]"))


def test_a_task_of_another_split_names_the_split_that_has_it(env: WebshopEnv) -> None:
    with pytest.raises(RecipeError, match=r"task '3' is in the split 'test'.\n  Try: --split test"):
        play_on_the_web(env, "webshop", list(env.tasks("train")), "3", 0, Recorder(None))


def listens_to_ctrl_c() -> None:
    """Tests that run in the background hand down a SIGINT that is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_the_command_serves_until_interrupted_and_keeps_what_was_begun(
    generated: Path, tmp_path: Path, number: signal.Signals
) -> None:
    record = tmp_path / "people.jsonl"
    command = [sys.executable, "-m", "a3t", "play", "webshop", "--web", "--port", "0", "--data", str(generated / "catalogue")]
    with subprocess.Popen(
        [*command, "--record", str(record)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=listens_to_ctrl_c,
    ) as child:
        try:
            assert child.stdout is not None
            said = child.stdout.readline()
            port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", said)[1])
            visit = answered(port, "GET", "/")[1]
            assert answered(port, "POST", visit, "at=0&search=red+mug")[0] == 303
            child.send_signal(number)
            rest = child.stdout.read()
            assert child.wait(timeout=120) == 0, rest
        finally:
            child.kill()
    (session,) = read_jsonl(record)
    assert (session.task.split, session.stop, session.actions) == ("train", Stop.TURN_LIMIT, ("search[red mug]",))
    assert "turn_limit. Recorded in" in rest


def test_a_world_that_is_no_shop_has_no_web_pages() -> None:
    with pytest.raises(RecipeError, match="a3t play household"):
        play_on_the_web(object(), "household", [Task("1", "train")], None, 0, Recorder(None))


# --- a real browser -----------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs a headless Chromium (apt-get install chromium)")
def test_an_item_is_bought_in_a_real_browser_and_the_session_is_stored(env: WebshopEnv, tmp_path: Path) -> None:
    tasks, actions = winnable(env)
    search, product, option, buy = split_solution(actions)
    recorder = Recorder(tmp_path / "people")
    with opened(Storefront(env, tasks, ended=recorder.add)) as port, Chromium(tmp_path / "profile") as browser:
        browser.go(f"http://127.0.0.1:{port}/")
        assert tasks[0].instruction in browser.text
        browser.type("thought", "Its title will find it.")
        browser.type("search", search)
        assert "Total results:" in browser.text
        browser.click(product)
        assert "Rating: N.A." in browser.text
        for value in option:
            browser.click(value)
        assert browser.ask("[...document.querySelectorAll('[aria-pressed=true]')].map(b => b.textContent)") == list(option)
        browser.click("Features")
        browser.click("< Prev")
        browser.click(buy)
        assert browser.ask("document.querySelector('#score').textContent") == "1.0"
        assert "Attributes" in browser.text and "Kind of product" in browser.text and "Recorded in" in browser.text
        assert {address.split("/")[2] for address in browser.requested() if address.startswith("http")} == {f"127.0.0.1:{port}"}
        browser.click("Next task")
        assert tasks[1].instruction in browser.text
    with Store.open(tmp_path / "people", read_only=True) as store:
        (record,) = store.training_trajectories()
    assert (record.reward, record.success, record.task.task_id) == (1.0, True, tasks[0].task_id)
    assert record.steps[0].thought == "Its title will find it."
    assert record.actions[-3:] == ("click[features]", "click[< prev]", "click[buy now]")


def split_solution(actions: list[str]) -> tuple[str, str, tuple[str, ...], str]:
    search, product, *options, _buy = [action[:-1].split("[", 1)[1] for action in actions]
    return search, product, tuple(options), "Buy Now"


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs a headless Chromium (apt-get install chromium)")
def test_nothing_sticks_out_at_the_side_of_a_phone(env: WebshopEnv, tmp_path: Path) -> None:
    tasks, actions = winnable(env)
    search, product, _, buy = split_solution(actions)
    with opened(Storefront(env, tasks)) as port, Chromium(tmp_path / "profile") as browser:
        browser.resize(390)
        browser.go(f"http://127.0.0.1:{port}/")
        for step in (
            lambda: None,
            lambda: browser.type("search", search),
            lambda: browser.click(product),
            lambda: browser.click(buy),
        ):
            step()
            room, needed = browser.ask("[document.documentElement.clientWidth, document.documentElement.scrollWidth]")
            assert needed <= room <= 390
