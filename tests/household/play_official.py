"""Runs under a Python that has the official packages: what the engine answers to the actions of each game.

Reads lines {"game": path, "actions": […]}; writes one JSON line a game: the text of reset, then per action
[feedback, sorted admissible commands, won].
"""

import json
import sys

import textworld
from alfworld.agents.environment.alfred_tw_env import AlfredDemangler


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        infos = textworld.EnvInfos(won=True, admissible_commands=True)
        env = textworld.start(request["game"], request_infos=infos, wrappers=[AlfredDemangler()])
        state = env.reset()
        answers = [[state.feedback, sorted(set(state.admissible_commands)), bool(state.won)]]
        for action in request["actions"]:
            state, _, _ = env.step(action)
            answers.append([state.feedback, sorted(set(state.admissible_commands)), bool(state.won)])
        env.close()
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main()
