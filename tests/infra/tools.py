"""The pinned tools of the infrastructure's checks, each built or fetched once, into the cache.

A tool is a directory below tests/infra/tools: `tool.toml`, and its pins beside it (go.mod and go.sum, requirements.txt,
package-lock.json). Invariant: what stands in the cache under a name was made from exactly those pins. Builds keep no caches of their own:
Kubernetes, KEDA and OpenTofu together would leave twenty gigabytes behind.

    kind = "go"        `programs` = {name = "package"}, built in this module with `ldflags`; `keep` = [{module, path, as}]: directories of modules
    kind = "python"    a virtual environment with requirements.txt; `programs` = {name = "bin/name"}
    kind = "npm"       `npm ci --ignore-scripts`; `programs` = {name = "node_modules/…"}; `unzip` = archives among them, unpacked at the top
    kind = "apt"       `packages`, unpacked without installing them; `programs` = {name = "usr/bin/name"}
    cost = " (four minutes, once)"   said while one waits
    then = "schema.py"               a script beside the pins, run in the tool's directory once all is there: makes what is wanted of it
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

try:
    import tomllib
except ImportError:
    import tomli as tomllib

PINS = Path(__file__).resolve().parent / "tools"


class Missing(Exception):
    """A tool cannot be had here; the text says why."""


def cache():
    home = os.environ.get("GAVEL_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gavel"
    return Path(home) / "infra"


def program(name, wanted=None):
    """The path of a program of the tool `name`, by default the one of the same name."""
    spec = tomllib.loads((PINS / name / "tool.toml").read_text())
    wanted = wanted or name
    path = home(name) / (wanted if spec["kind"] == "go" else spec["programs"][wanted])
    if not path.exists():
        raise Missing(f"{name}: {path} is not there after its installation")
    return path


def stamp(pins):
    """Of everything that decides what the tool is."""
    digest = hashlib.sha256()
    for file in sorted(path for path in pins.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(pins)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def home(name):
    """The directory of a tool, made at its first use. What could not be made is not tried again in the same run."""
    if name in MISSED:
        raise MISSED[name]
    try:
        return made_home(name)
    except Missing as missing:
        MISSED[name] = missing
        raise


MISSED = {}


def made_home(name):
    pins = PINS / name
    spec = tomllib.loads((pins / "tool.toml").read_text())
    place = cache() / f"{name}-{stamp(pins)}"
    made = place / ".made"
    if made.exists():
        return place
    if spec["kind"] == "go" and os.environ.get("GAVEL_INFRA_BUILDS") == "no":
        raise Missing(f"{name} is not built yet, and this run builds nothing (GAVEL_INFRA_BUILDS=no): run scripts/check-infra by itself")
    cache().mkdir(parents=True, exist_ok=True)
    with open(cache() / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if made.exists():  # meanwhile, by another process
            return place
        print(f"check-infra: getting {name}{spec.get('cost', '')}", file=sys.stderr, flush=True)
        for former in cache().glob(f"{name}-{'[0-9a-f]' * 12}"):
            discard(former)
        place.mkdir()
        try:
            KINDS[spec["kind"]](pins, spec, place)
            if "then" in spec:
                call(sys.executable, pins / spec["then"], cwd=place)
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", None) or ""
            raise Missing(f"{name} cannot be had here: {error}\n{said.strip()[-2000:]}") from error
        made.touch()
    return place


def discard(tree):
    """Also what Go left without the right to write."""
    if tree.exists():
        subprocess.run(["chmod", "-R", "u+w", str(tree)], check=False)
        shutil.rmtree(tree)


def call(*command, cwd, env=None):
    """Its standard output."""
    return subprocess.run(
        [str(word) for word in command], cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=True
    ).stdout


def build_go(pins, spec, work):
    if not shutil.which("go"):
        raise OSError("there is no go on the PATH")
    module, build = work / "module", work / "build"
    shutil.copytree(pins, module)
    env = {"CGO_ENABLED": "0", "GOFLAGS": "-modcacherw -mod=readonly -trimpath", "GOCACHE": str(build), "GOMODCACHE": str(work / "modules")}
    for name, package in spec["programs"].items():
        call("nice", "go", "build", "-ldflags", f"-s -w {spec.get('ldflags', '')}", "-o", work / name, package, cwd=module, env=env)
    for copied in spec.get("keep", []):
        # A directory of a module that is read, not built: custom resource definitions, say. Nothing may have fetched it yet.
        found = json.loads(call("go", "mod", "download", "-json", copied["module"], cwd=module, env=env))
        shutil.copytree(Path(found["Dir"]) / copied["path"], work / copied["as"])
    for left in (module, build, work / "modules"):
        discard(left)


def install_python(pins, spec, work):
    call(sys.executable, "-m", "venv", work, cwd=pins)
    call(work / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", pins / "requirements.txt", cwd=pins)


def install_npm(pins, spec, work):
    for file in ("package.json", "package-lock.json", ".npmrc"):
        if (pins / file).exists():
            shutil.copy(pins / file, work / file)
    call("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=work)
    for archive in spec.get("unzip", []):
        shutil.unpack_archive(work / archive, work)  # without the right to execute, which zipfile drops
        (work / archive).unlink()
    for program in spec["programs"].values():
        (work / program).chmod(0o755)


def unpack_apt(pins, spec, work):
    call("apt-get", "download", "-qq", *spec["packages"], cwd=work)
    for package in work.glob("*.deb"):
        call("dpkg-deb", "--extract", package, work, cwd=work)
        package.unlink()


KINDS = {"go": build_go, "python": install_python, "npm": install_npm, "apt": unpack_apt}
