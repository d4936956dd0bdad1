"""Runs under a Python that has alfworld and textworld: what the official engine answers to given commands.

Reads lines {"game": path, "commands": […]}; writes one JSON line a game: for reset and then for each command
[feedback, admissible commands, won].

The engine translates each game four times and parses its grammar anew for every admissible command of every step. Translating and
parsing are functions of their text, so their results are kept; with `--plain` they are not, which is ten times slower and answers
the same.
"""

import copy
import json
import sys

import textworld
from alfworld.agents.environment.alfred_tw_env import AlfredDemangler, AlfredInfos

sys_argv = list(sys.argv)  # the translator overwrites it


def keep_what_is_a_function_of_its_text():
    import fast_downward
    from textworld.envs.pddl import logic, textgen
    from textworld.logic import Rule

    translate, parse, query = fast_downward.pddl2sas, textgen._parse_and_convert, Rule.parse_conjunctive_query.__func__
    tasks, trees, queries = {}, {}, {}

    def kept_translation(domain, problem, verbose=False, optimize=False):
        # The optimised translation serves the planner alone, which nobody asks here.
        if (domain, problem) not in tasks:
            tasks.clear()
            tasks[domain, problem] = translate(domain, problem)
        return tasks[domain, problem]

    def kept_tree(text, rule_name=None, **options):
        if (text, rule_name) not in trees:
            trees[text, rule_name] = parse(text, rule_name=rule_name)
        return copy.deepcopy(trees[text, rule_name])

    def kept_query(cls, text):
        if text not in queries:
            queries[text] = query(cls, text)
        return queries[text]

    logic.fast_downward.pddl2sas = kept_translation
    textgen._parse_and_convert = kept_tree
    Rule.parse_conjunctive_query = classmethod(kept_query)


def main():
    if "--plain" not in sys_argv:
        keep_what_is_a_function_of_its_text()
    infos = textworld.EnvInfos(won=True, admissible_commands=True)
    for line in sys.stdin:
        request = json.loads(line)
        env = textworld.start(request["game"], infos, wrappers=[AlfredDemangler(shuffle=False), AlfredInfos])
        state = env.reset()
        answers = [[state.feedback, list(state.admissible_commands), bool(state.won)]]
        for command in request["commands"]:
            state, _, _ = env.step(command)
            answers.append([state.feedback, list(state.admissible_commands), bool(state.won)])
        env.close()
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main()
