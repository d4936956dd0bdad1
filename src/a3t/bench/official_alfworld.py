"""What the official ALFWorld engine costs, for `a3t bench env`. It runs under a Python that has alfworld and textworld.

python official_alfworld.py GAME...      one JSON object on the last line, keys as in the table of `env.py`
"""

import json
import random
import sys
import time

NUM_STEPS = 12
"""Steps a game: each takes a twelfth of a second or more."""


def main(games: list[str]) -> None:
    import textworld
    from alfworld.agents.environment.alfred_tw_env import AlfredDemangler

    rates, loads, resets = [], [], []
    rng = random.Random(0)
    for game in games:
        started = time.process_time()
        infos = textworld.EnvInfos(won=True, admissible_commands=True)
        env = textworld.start(game, infos, wrappers=[AlfredDemangler(shuffle=False)])
        loads.append(1e3 * (time.process_time() - started))
        started = time.process_time()
        state = env.reset()
        resets.append(1e3 * (time.process_time() - started))
        started = time.process_time()
        for _ in range(NUM_STEPS):
            state, _, _ = env.step(rng.choice(state.admissible_commands))
        rates.append(NUM_STEPS / (time.process_time() - started))
    # Loading alone shows nothing yet: the first text needs a reset as well.
    first = [load + reset for load, reset in zip(loads, resets, strict=True)]
    print(json.dumps({"steps, actions listed": rates, "load and reset": first, "reset again": resets}))


if __name__ == "__main__":
    main(sys.argv[1:])
