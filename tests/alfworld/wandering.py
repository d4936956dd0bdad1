"""Plays that go where bugs would be: plans with detours, wandering, crowded corners, and commands that make no sense."""

from collections import Counter

ODD = (
    "",
    "   ",
    "LOOK",
    "look.",
    "look around",
    "examine",
    "go to",
    "take",
    "xyzzy",
    "go  to",
    "look\n",
    " inventory\t",
    "i",
    "éxamine",
)


def wander(world, rng, *, plan=(), free=0, num_steps=60, corners=False):
    """Commands for the world, most of them admissible on the way.

    Args:
        plan: commands to follow after `free` steps of wandering, with detours that change nothing.
        corners: prefer places that receptacles share, objects in two receptacles, knives, lamps, bowls and cold things.
    """
    commands, state, plan = [], world.start, list(plan)
    spots = _corners(world) if corners else frozenset()
    while len(commands) < num_steps:
        actions = list(world.actions(state))
        if rng.random() < 0.09:
            command = _odd(world, rng, actions)
        elif free > 0:
            free -= 1
            command = _choose(rng, actions, spots)
        elif plan:
            detour = [action for action in actions if action.split()[0] in ("look", "inventory", "examine", "help")]
            command = rng.choice(detour) if rng.random() < 0.25 else plan.pop(0)
        else:
            command = _choose(rng, actions, spots)
        commands.append(command)
        state = world.play(state, command).state
    return commands


def _choose(rng, actions, spots):
    """By verb first, or `go to` would be nearly all; doing before asking."""
    by_verb = {}
    for action in actions:
        by_verb.setdefault(action.split()[0], []).append(action)
    if spots:
        if rng.random() < 0.15:
            return "look"
        there = [action for action in by_verb["go"] if action.removeprefix("go to ") in spots]
        if there:
            by_verb["go"] = there
    doing = set(by_verb) - {"look", "inventory", "help", "examine"}
    verbs = sorted(by_verb) + 2 * sorted(doing)
    return rng.choice(by_verb[rng.choice(verbs)])


def _odd(world, rng, actions):
    action = rng.choice(actions)
    return rng.choice(
        [
            rng.choice(ODD),
            action.upper(),
            action.capitalize(),
            f"  {action} \n",
            action.replace(" ", "  "),
            f"examine {rng.choice(sorted(world.names.values()))}",
            f"take {rng.choice(sorted(world.names.values()))} from {rng.choice(sorted(world.names.values()))}",
        ]
    )


def _corners(world):
    game, names = world.game, world.names
    crowd = Counter(receptacle.location.lower() for receptacle in game.receptacles)
    found = {names[r.id.lower()] for r in game.receptacles if crowd[r.location.lower()] > 1}
    tools = {tool.lower() for tool in game.rules.slice_with}
    for item in game.items:
        if len(item.inside) > 1 or item.toggleable or item.cool or item.sliceable or item.contents or item.type.lower() in tools:
            found |= {names[receptacle.lower()] for receptacle in item.inside}
    return frozenset(found)
