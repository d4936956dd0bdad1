"""The command line: every command is a few lines over a part of the program; errors become one message and exit code 2."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from a3t.cli.reader import Commands
from a3t.errors import A3TError, Interrupted, RecipeError

app = typer.Typer(
    name="a3t",
    cls=Commands,
    help="A self-improvement engine for language agents: explore, explain, contrast, repeat.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data_app = typer.Typer(help="Get a world's data, or import what you have.", no_args_is_help=True)
env_app = typer.Typer(help="Check an environment against the contract.", no_args_is_help=True)
bench_app = typer.Typer(help="Benchmarks, each beside a named alternative.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(env_app, name="env")
app.add_typer(bench_app, name="bench")

Directory = Annotated[Path, typer.Argument(help="A run directory.")]
Overrides = Annotated[Optional[list[str]], typer.Argument(help="Overrides: key.sub=value", show_default=False)]  # noqa: UP045


def main() -> None:
    """Entry point of the command `a3t`."""
    from a3t.cli.console import complain

    # Waiting threads that spin take the core from those that work: 40 times slower where something else runs beside us.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # A world of the user's own (`module:Class`) is usually a file right here; last, so that it hides nothing.
    sys.path.append(str(Path.cwd()))
    try:
        code = app(standalone_mode=False)
    except Interrupted as stop:
        complain(f"Interrupted: {stop}.")
        sys.exit(130)
    except A3TError as error:
        complain(f"{type(error).__name__}: {error}")
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        complain("Interrupted: stopped at once.")
        sys.exit(130)
    except OSError as error:
        from a3t.cli.failures import explain_os_error

        message = explain_os_error(error, sys.argv[1:])
        if message is None:
            raise
        complain(message)
        sys.exit(2)
    except Exception as error:
        # Click's usage errors, whichever copy of click typer brings along.
        show = getattr(error, "format_message", None)
        if show is None:
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            print(show())
        else:
            complain(f"UsageError: {show()}\n  Try: a3t --help")
        sys.exit(2)
    # A command that leaves with `typer.Exit` has its code returned, not raised.
    if code:
        sys.exit(code)


@app.command()
def run(
    recipe: Annotated[Optional[str], typer.Argument(help="A recipe (TOML), or a first override.", show_default=False)] = None,  # noqa: UP045
    overrides: Overrides = None,
    out: Annotated[Optional[Path], typer.Option(help="Run directory; default runs/NAME.")] = None,  # noqa: UP045
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved recipe and what it will cost.")] = False,
) -> None:
    """Close the loop; with no recipe, the embedded default."""
    from a3t.cli import runs

    runs.start(recipe, overrides or [], out, dry_run)


@app.command()
def resume(directory: Directory) -> None:
    """Go on where a run stood, whatever stopped it."""
    from a3t.cli import runs

    runs.resume(directory)


@app.command()
def collect(directory: Directory) -> None:
    """To the end of this stage: tries at the training tasks."""
    from a3t.cli import runs

    runs.one_stage(directory, "collect")


@app.command()
def explore(directory: Directory) -> None:
    """To the end of this stage: compositions on failures."""
    from a3t.cli import runs

    runs.one_stage(directory, "explore")


@app.command()
def revise(directory: Directory) -> None:
    """To the end of this stage: search and revisions (Agent-R)."""
    from a3t.cli import runs

    runs.one_stage(directory, "revise")


@app.command()
def train(directory: Directory) -> None:
    """To the end of this stage: fit a policy on everything."""
    from a3t.cli import runs

    runs.one_stage(directory, "train")


@app.command()
def evaluate(
    directory: Annotated[Optional[Path], typer.Argument(help="A run directory; or give --model.", show_default=False)] = None,  # noqa: UP045
    model: Annotated[Optional[str], typer.Option(help="A model's folder, an adapter's, or builtin:tiny.")] = None,  # noqa: UP045
    env: Annotated[Optional[str], typer.Option(help="The environment, with --model; default household.")] = None,  # noqa: UP045
    data: Annotated[Optional[Path], typer.Option(help="The environment's data folder.")] = None,  # noqa: UP045
    split: Annotated[Optional[list[str]], typer.Option(help="Splits to evaluate.")] = None,  # noqa: UP045
    num_tasks: Annotated[Optional[int], typer.Option(min=1, help="Tasks per split; default all.")] = None,  # noqa: UP045
    recipe: Annotated[Optional[Path], typer.Option(help="A recipe for prompts and limits.")] = None,  # noqa: UP045
    json_out: Annotated[Optional[Path], typer.Option("--json", help="Write the scores here.")] = None,  # noqa: UP045
    records: Annotated[Optional[Path], typer.Option(help="Write the trajectories here (JSONL).")] = None,  # noqa: UP045
    strategy: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            help="react, best-of-n, reflexion, lats, rafa; several for one table. Of --model, or of a run's last policy."
        ),
    ] = None,
    tries: Annotated[Optional[int], typer.Option(min=1, help="Trials a task at most, with --strategy; default 3.")] = None,  # noqa: UP045
) -> None:
    """Trials of a run's round or of any model; or strategies."""
    from a3t.cli import runs, standalone

    if directory is not None and strategy:
        if any(given is not None for given in (model, env, data, recipe)):
            raise RecipeError(
                "a run directory's last policy is tried in its own world, as its recipe prompts it: --model, --env, --data and "
                "--recipe do not go with it.\n  Any policy in any world: a3t evaluate --model FOLDER --env ENV --strategy …"
            )
    elif directory is not None:
        if any(given is not None for given in (model, env, data, split, num_tasks, recipe, json_out, records, strategy, tries)):
            raise RecipeError(
                "a run directory is evaluated as its recipe says: no other options go with it.\n"
                f"  Any policy on any split: a3t evaluate --model {directory}/rounds/00/policy --split …"
            )
        runs.one_stage(directory, "evaluate")
        return
    asked = standalone.Asked(model, env or "household", data, split, num_tasks, recipe, json_out, records)
    if strategy:
        from a3t.cli import strategies

        strategies.evaluate(strategy, tries or 3, asked, directory)
    else:
        if tries is not None:
            raise RecipeError("--tries belongs to a strategy.\n  Try: --strategy best-of-n --tries N")
        standalone.evaluate(asked)


@app.command()
def report(
    directory: Directory,
    markdown: Annotated[bool, typer.Option("--markdown", help="Tables as Markdown.")] = False,
    json_tables: Annotated[bool, typer.Option("--json", help="Tables as JSON.")] = False,
    paper: Annotated[bool, typer.Option("--paper/--no-paper", help="The paper's figures beside ours, marked.")] = True,
) -> None:
    """The tables of a run, and report.html."""
    from a3t.cli import telling

    telling.report(directory, "markdown" if markdown else "json" if json_tables else "terminal", paper)


@app.command()
def compare(
    directories: Annotated[list[Path], typer.Argument(help="Finished runs of one recipe, a seed each.")],
    variants: Annotated[
        Path | None, typer.Option(help="TOML: name = overrides, or variants-webshop. Default: the paper's question.")
    ] = None,
    only: Annotated[Optional[list[str]], typer.Option(help="Take only these variants.")] = None,  # noqa: UP045
    out: Annotated[Path, typer.Option(help="The table, as Markdown.")] = Path("runs/compare.md"),
) -> None:
    """Train in several ways on the same data, side by side."""
    from a3t.cli.compare import run_comparison

    run_comparison(directories, variants, only or [], out)


@app.command()
def beside(
    directories: Annotated[list[Path], typer.Argument(help="Runs; those that differ in the seed alone are one row.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="The tables as Markdown.")] = False,
) -> None:
    """Several runs held against the first, seeds together."""
    from a3t.cli.beside import show_beside

    show_beside(directories, markdown)


@app.command()
def show(directory: Directory, task: Annotated[str, typer.Argument(help="A task id, or a part of one.")]) -> None:
    """All tries at one task: who chose, who explained."""
    from a3t.cli import telling

    telling.show(directory, task)


@app.command()
def export(
    directory: Directory,
    out: Annotated[Path, typer.Argument(help="The file to write (atif: a file or a folder).")],
    to: Annotated[str, typer.Option("--to", help="jsonl, openai, sharegpt, trl, atif or parquet.")] = "jsonl",
    training: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option("--training/--all", help="The training set with weights, or everything; default what the format is for."),
    ] = None,
    failures: Annotated[bool, typer.Option("--failures", help="Failures too, where the format can mark them (trl).")] = False,
    tokenizer: Annotated[Optional[Path], typer.Option(help="trl: token ids and masks, with this folder's tokenizer.")] = None,  # noqa: UP045
) -> None:
    """Write a run's trajectories in somebody's format."""
    from a3t.cli import exchange

    exchange.export(directory, out, to, "auto" if training is None else "training" if training else "all", failures, tokenizer)


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="The file or folder to read.")],
    target: Annotated[Path, typer.Argument(help="A file of records (….jsonl) to write, or a run directory.")],
    form: Annotated[str, typer.Option("--from", help="jsonl, openai, sharegpt, trl, atif or parquet.")] = "jsonl",
    reward: Annotated[Optional[float], typer.Option(help="Of rows that do not say theirs; 1 for demonstrations.")] = None,  # noqa: UP045
    split: Annotated[str, typer.Option(help="Of rows that do not say theirs.")] = "train",
    text_format: Annotated[
        str, typer.Option("--format", help="How turns are written: household, webshop, textcraft or scienceworld.")
    ] = "household",
) -> None:
    """Take trajectories in, ours or other people's."""
    from a3t.cli import exchange

    exchange.take_in(source, target, form, reward, split, text_format)


@app.command()
def doctor(
    recipe: Annotated[Optional[str], typer.Argument(help="A recipe to be fit for.", show_default=False)] = None,  # noqa: UP045
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="Where run directories will go.")] = Path("runs"),
    server: Annotated[Optional[list[str]], typer.Option(help="A base URL (…/v1) to ask.")] = None,  # noqa: UP045
    key_env: Annotated[Optional[str], typer.Option(help="The variable that holds its key.")] = None,  # noqa: UP045
    adapter: Annotated[Optional[list[Path]], typer.Option(help="An adapter's folder, to be served there.")] = None,  # noqa: UP045
    max_lora_rank: Annotated[Optional[int], typer.Option(min=1, help="The servers' limit; default vLLM's, 16.")] = None,  # noqa: UP045
    as_json: Annotated[bool, typer.Option("--json", help="Findings as JSON.")] = False,
) -> None:
    """Is this machine fit for it? Each finding with what mends it."""
    from a3t.cli.doctor import diagnose

    diagnose(recipe, overrides or [], out, server or [], key_env, adapter or [], max_lora_rank, as_json)


@app.command()
def estimate(
    recipe: Annotated[Optional[str], typer.Argument(help="A recipe (TOML), or a first override.", show_default=False)] = None,  # noqa: UP045
    overrides: Overrides = None,
    episodes: Annotated[int, typer.Option(min=2, help="Tries that the probe plays.")] = 16,
    usd_per_hour: Annotated[float, typer.Option(min=0, help="What the machine costs.")] = 0.0,
    out: Annotated[Optional[Path], typer.Option(help="Keep it in this run directory, for the report.")] = None,  # noqa: UP045
    as_json: Annotated[bool, typer.Option("--json", help="The estimate as JSON.")] = False,
) -> None:
    """Tokens, time and money by stage, from a short real probe."""
    from a3t.cli.estimate import foretell

    foretell(recipe, overrides or [], episodes, usd_per_hour, out, as_json)


@app.command()
def serve(
    model: Annotated[str, typer.Argument(help="A model's folder, or builtin:tiny.")] = "builtin:tiny",
    engine: Annotated[str, typer.Option(help="local (ours, small), vllm or sglang.")] = "local",
    python: Annotated[Optional[Path], typer.Option(help="The interpreter of the engine's own environment.")] = None,  # noqa: UP045
    name: Annotated[str, typer.Option(help="The served name; default the folder.")] = "",
    port: Annotated[int, typer.Option(help="On loopback; 0 takes a free one.")] = 0,
    folder: Annotated[Path, typer.Option(help="For its log and its key.")] = Path("runs/serve"),
    max_lora_rank: Annotated[int, typer.Option(min=1, help="Of the adapters it takes.")] = 64,
    argument: Annotated[Optional[list[str]], typer.Option("--arg", help="One more for the engine.")] = None,  # noqa: UP045
) -> None:
    """Put a model behind a URL, and keep it alive."""
    from a3t.cli.serve import serve as keep_serving

    keep_serving(model, engine, python, name, port, folder, max_lora_rank, argument or [])


@app.command()
def annotate(
    source: Annotated[Path, typer.Argument(help="Trajectories (JSONL).")],
    out: Annotated[Path, typer.Argument(help="Where the explained ones go (JSONL).")],
    model: Annotated[str, typer.Option(help="The annotator's folder.")] = "builtin:tiny",
    prompt: Annotated[str, typer.Option(help="bare, few-shot or a path.")] = "bare",
) -> None:
    """Give reasons to trajectories that have none (ActRe)."""
    from a3t.cli import standalone

    standalone.annotate(source, out, model, prompt)


@app.command()
def play(
    env: Annotated[str, typer.Argument(help="An environment: household, alfworld, …")],
    task: Annotated[Optional[str], typer.Option(help="A task id; default the first of the split.")] = None,  # noqa: UP045
    split: Annotated[Optional[str], typer.Option(help="The split; default train or the first there is.")] = None,  # noqa: UP045
    data: Annotated[Optional[Path], typer.Option(help="The environment's data folder.")] = None,  # noqa: UP045
    record: Annotated[Optional[Path], typer.Option(help="Append the session to this .jsonl file or run directory.")] = None,  # noqa: UP045
    option: Annotated[Optional[list[str]], typer.Option("--option", "-o", help="key=value for the environment.")] = None,  # noqa: UP045
    web: Annotated[bool, typer.Option("--web", help="webshop: the shop as web pages on this machine.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --web; 0 takes any free one.")] = 3000,
) -> None:
    """Play a task yourself; Tab completes actions."""
    from a3t.cli import worlds

    worlds.play_task(env, task, split, data, record, option or [], port if web else None)


@app.command()
def tasks(
    env: Annotated[str, typer.Argument(help="An environment.")],
    split: Annotated[str, typer.Option(help="The split.")] = "train",
    data: Annotated[Optional[Path], typer.Option(help="The environment's data folder.")] = None,  # noqa: UP045
    limit: Annotated[int, typer.Option(min=0, help="How many to list; 0 for all.")] = 0,
    option: Annotated[Optional[list[str]], typer.Option("--option", "-o", help="key=value for the environment.")] = None,  # noqa: UP045
) -> None:
    """List the tasks of a split."""
    from a3t.cli import worlds

    worlds.list_tasks(env, split, data, limit, option or [])


@env_app.command("check")
def env_check(
    env: Annotated[str, typer.Argument(help="An environment's name, or module:Class.")],
    data: Annotated[Optional[Path], typer.Option(help="The environment's data folder.")] = None,  # noqa: UP045
    option: Annotated[Optional[list[str]], typer.Option("--option", "-o", help="key=value for the environment.")] = None,  # noqa: UP045
    sequences: Annotated[int, typer.Option(min=1, help="Random action sequences; fewer for a slow world.")] = 1000,
    malformed: Annotated[int, typer.Option(min=1, help="Malformed actions; fewer for a slow world.")] = 10_000,
) -> None:
    """Run the conformance suite on an environment, ours or yours."""
    from a3t.cli import worlds

    worlds.check(env, data, option or [], sequences, malformed)


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="alfworld")],
    to: Annotated[Optional[Path], typer.Option(help="Where to; default the user's cache.")] = None,  # noqa: UP045
    edition: Annotated[Optional[str], typer.Option(help="2.1.2 (default), 2.1.3, or 2.1.1: the words of ReAct.")] = None,  # noqa: UP045
) -> None:
    """Download a world's official data (resumable)."""
    from a3t.cli import worlds

    worlds.fetch_data(name, to, edition)


@data_app.command("import")
def data_import(
    name: Annotated[str, typer.Argument(help="alfworld, webshop")],
    path: Annotated[Path, typer.Argument(help="Archives or a folder that you have.")],
    to: Annotated[Optional[Path], typer.Option(help="Where to.")] = None,  # noqa: UP045
) -> None:
    """Take archives or a folder that you already have."""
    from a3t.cli import worlds

    worlds.import_data(name, path, to)


@data_app.command("export")
def data_export(
    name: Annotated[str, typer.Argument(help="webshop")],
    path: Annotated[Optional[Path], typer.Argument(help="Its catalogue; default the generated one.", show_default=False)] = None,  # noqa: UP045
    *,
    to: Annotated[Path, typer.Option(help="A folder; made if need be.")],
    goals: Annotated[str, typer.Option(help="human or synthetic.")] = "human",
    price_seed: Annotated[int, typer.Option(help="Decides prices within a range, and limits.")] = 233,
) -> None:
    """Write goals.jsonl and prices.json, with their hashes."""
    from a3t.cli import worlds

    worlds.export_data(name, path, to, goals, price_seed)


@app.command()
def pretrain(
    recipe: Annotated[Optional[Path], typer.Argument(help="A pretraining recipe; default the shipped base's.")] = None,  # noqa: UP045
    out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("runs/tiny"),
    overrides: Annotated[Optional[list[str]], typer.Option("--set", help="key=value")] = None,  # noqa: UP045
) -> None:
    """Make the tiny base model again, from a seed."""
    from a3t.pretrain import command

    command.pretrain(recipe, out, overrides or [])


@bench_app.command("env")
def bench_env(
    name: Annotated[str, typer.Argument(help="alfworld, household, webshop")] = "household",
    data: Annotated[Optional[Path], typer.Option(help="The environment's data folder.")] = None,  # noqa: UP045
    products: Annotated[Optional[list[int]], typer.Option(min=1, help="webshop: generate this many (repeatable).")] = None,  # noqa: UP045
) -> None:
    """A world's steps, resets and snapshots, beside the official one."""
    from a3t.cli import benches

    benches.env(name, data, products or [])


@bench_app.command("store")
def bench_store(num: Annotated[int, typer.Option(help="Trajectories.")] = 1_000_000) -> None:
    """Open, filter and memory of a store, against scanning JSONL."""
    from a3t.cli import benches

    benches.store(num)


@bench_app.command("rollout")
def bench_rollout(num_episodes: Annotated[int, typer.Option(help="Episodes at once.")] = 64) -> None:
    """Turns a second, against generate() re-reading the prompt."""
    from a3t.cli import benches

    benches.rollout(num_episodes)


@bench_app.command("search")
def bench_search(
    num_trees: Annotated[int, typer.Option(min=1, help="Trees in all.")] = 96,
    width: Annotated[int, typer.Option(min=1, help="Trees at once.")] = 32,
) -> None:
    """Nodes a second of many trees, against one tree at a time."""
    from a3t.cli import benches

    benches.search(num_trees, width)


@bench_app.command("train")
def bench_train() -> None:
    """Tokens a second of training, against transformers.Trainer."""
    from a3t.cli import benches

    benches.train()
