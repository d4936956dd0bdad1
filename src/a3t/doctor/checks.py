"""From facts to findings: what this machine lacks for a recipe, or in general where no recipe is given. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from a3t.config import ModelConfig, Recipe
from a3t.doctor.finding import Finding, note, ok, problem, warning
from a3t.doctor.machine import Machine
from a3t.envs.joint import read_worlds

LEAST_PYTHON = (3, 11)
LEAST = {"transformers": (5, 0), "peft": (0, 17), "accelerate": (1, 4), "safetensors": (0, 5), "gymnasium": (1, 0)}
"""As pyproject.toml asks."""
BFLOAT16 = (8, 0)
"""The compute capability from which a GPU multiplies bfloat16 itself."""
GIB = 2**30


def check_machine(machine: Machine, recipe: Recipe | None) -> list[Finding]:
    """Python, torch, GPU, bitsandbytes, the libraries, ScienceWorld and its Java; in that order."""
    return [
        _python(machine),
        *_libraries(machine),
        *_torch(machine, recipe),
        *_cores(machine, recipe),
        _bitsandbytes(machine, recipe),
        _openai(machine, recipe),
        *_scienceworld(machine, recipe),
    ]


def _python(machine: Machine) -> Finding:
    version = ".".join(map(str, machine.python))
    if machine.python < LEAST_PYTHON:
        return problem("python", f"{version} at {machine.executable}; a3t needs 3.11 or newer", "make setup PYTHON=python3.12")
    if not machine.in_environment:
        says = f"{version} at {machine.executable}, outside a virtual environment: packages mix with the system's"
        return note("python", says, "python3 -m venv .venv && . .venv/bin/activate && pip install -e .")
    return ok("python", f"{version} at {machine.executable} ({machine.system}, {machine.num_cores} cores)")


def _libraries(machine: Machine) -> Iterator[Finding]:
    for name, least in LEAST.items():
        wanted = ".".join(map(str, least))
        version = machine.packages.get(name)
        if version is None:
            yield problem(name, f"not installed; a3t needs {wanted} or newer", f"pip install '{name}>={wanted}'")
        elif _numbers(version) < least:
            yield problem(name, f"{version}; a3t needs {wanted} or newer", f"pip install -U '{name}>={wanted}'")
        else:
            yield ok(name, version)


def _torch(machine: Machine, recipe: Recipe | None) -> Iterator[Finding]:
    version = machine.packages.get("torch")
    if version is None:
        yield problem("torch", "not installed", "pip install torch==2.13.0")
        return
    if machine.torch_error:
        yield problem(
            "torch", f"{version} cannot be imported: {machine.torch_error}", "pip install --force-reinstall torch==2.13.0"
        )
        return
    yield ok("torch", f"{version}, built for {f'CUDA {machine.torch_cuda}' if machine.torch_cuda else 'CPUs'}")
    yield from _gpu(machine, recipe)


def _gpu(machine: Machine, recipe: Recipe | None) -> Iterator[Finding]:
    asked = wants_gpu(recipe) if recipe else ""
    say = problem if asked else warning
    if machine.gpus:
        for gpu in machine.gpus:
            memory = f"{gpu.free_bytes / GIB:.0f} of {gpu.memory_bytes / GIB:.0f} GiB free"
            if gpu.capability < BFLOAT16:
                says = f"{gpu.name}, {memory}; it has no bfloat16 (capability {gpu.capability[0]}.{gpu.capability[1]})"
                yield warning("gpu", says, "a3t run … train.dtype=float32 policy.dtype=float32")
            else:
                yield ok("gpu", f"{gpu.name}, {memory}")
    elif machine.gpu_error:
        yield say("gpu", f"torch fails on it: {machine.gpu_error}", "nvidia-smi")
    elif machine.driver and machine.torch_cuda is None:
        says = f"{machine.driver} is here, but this torch was built for CPUs"
        yield say("gpu", says, "pip install --force-reinstall torch==2.13.0 --index-url https://download.pytorch.org/whl/cu130")
    elif machine.driver:
        yield say("gpu", f"{machine.driver} is here, but torch cannot use it: is the driver too old for its CUDA?", "nvidia-smi")
    elif asked:
        yield problem("gpu", f"none here, and the recipe says {asked}", f"a3t run … {asked.split(' = ')[0]}=auto")
    elif recipe is not None and (recipe.train.method == "qlora" or _has_four_bits(recipe)):
        yield warning("gpu", "none here, and the recipe is made for one (4-bit weights)", "a3t estimate RECIPE")
    else:
        yield note("gpu", "none; models run on the CPU")


def _cores(machine: Machine, recipe: Recipe | None) -> Iterator[Finding]:
    """Copies of a model that share a core, where there is no GPU to run one on."""
    for name, config in models_of(recipe) if recipe is not None and not machine.gpus else ():
        if config.kind == "local" and config.processes > machine.num_cores:
            says = f"{name}.processes = {config.processes} and {machine.num_cores} cores here: right all the same, but slower"
            yield note("cores", says, f"a3t run RECIPE {name}.processes={machine.num_cores}")


def wants_gpu(recipe: Recipe) -> str:
    """The line of the recipe that cannot do without a GPU; empty where it can."""
    for name, config in models_of(recipe):
        if config.kind == "local" and config.device.startswith("cuda"):
            return f"{name}.device = {config.device}"
    return ""


def models_of(recipe: Recipe) -> list[tuple[str, ModelConfig]]:
    """Every model that a recipe names, under its key."""
    named = [
        ("policy", recipe.policy),
        ("bootstrap.model", recipe.bootstrap.model),
        ("annotator.model", recipe.annotator.model),
    ]
    return [(name, config) for name, config in named if config is not None]


def _has_four_bits(recipe: Recipe) -> bool:
    return any(config.quantization == "nf4" for _name, config in models_of(recipe))


def _bitsandbytes(machine: Machine, recipe: Recipe | None) -> Finding:
    version = machine.packages.get("bitsandbytes")
    install = "pip install 'a3t[qlora]'"
    four_bits = recipe is not None and _has_four_bits(recipe)
    qlora = recipe is not None and recipe.train.method == "qlora"
    paged = recipe is not None and recipe.train.optimizer == "paged_adamw_32bit"
    if version is None:
        if four_bits:
            return problem("bitsandbytes", "not installed, and a model of the recipe is quantized to nf4", install)
        if qlora or paged:
            return warning("bitsandbytes", "not installed: training falls back to LoRA and plain AdamW", install)
        return note("bitsandbytes", "not installed; only QLoRA needs it", install)
    if paged and not machine.gpus:
        says = f"{version}; its paged optimiser needs CUDA: plain AdamW is used, same arithmetic"
        return warning("bitsandbytes", says, "a3t run … train.optimizer=adamw")
    return ok("bitsandbytes", version)


def _openai(machine: Machine, recipe: Recipe | None) -> Finding:
    version = machine.packages.get("openai")
    if version:
        return ok("openai client", version)
    needed = recipe is not None and any(config.kind == "openai" for _name, config in models_of(recipe))
    say = problem if needed else note
    return say("openai client", "not installed; models behind a URL need it", "pip install 'a3t[serve]'")


def worlds_of(recipe: Recipe) -> tuple[str, ...]:
    """What a recipe plays in, as for `a3t.make`; of a joint run, all its worlds. Raises `RecipeError`."""
    if recipe.environment.name != "joint":
        return (recipe.environment.name,)
    return tuple(spec.name for spec in read_worlds(recipe.environment.options.get("worlds")))


def _scienceworld(machine: Machine, recipe: Recipe | None) -> Iterator[Finding]:
    """The one world that is somebody else's program: a package, and a Java to run it."""
    say = problem if recipe is not None and "scienceworld" in worlds_of(recipe) else note
    if version := machine.packages.get("scienceworld"):
        yield ok("scienceworld", version)
    else:
        yield say("scienceworld", "not installed; the world of that name needs it", "pip install 'a3t[scienceworld]'")
    if machine.java is not None:
        yield ok("java", machine.java)
    else:
        says = machine.java_error or "scienceworld needs Java, and there is none"
        yield say("java", f"{says}; nothing else needs it", "apt-get install default-jre-headless, or set JAVA_HOME")


def _numbers(version: str) -> tuple[int, ...]:
    """`2.13.0+cpu` -> (2, 13, 0)."""
    numbers = []
    for part in version.split("+")[0].split("."):
        digits = "".join(c for c in part if c.isdigit())
        if not digits or not part[0].isdigit():
            break
        numbers.append(int(digits))
    return tuple(numbers)
