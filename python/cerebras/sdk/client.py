"""Appliance scripts (SdkCompiler, SdkRuntime, SdkLauncher) over the compiler and simulator of this machine.

An artifact is the absolute path of the folder that cslc would have written. There is no queue, no other machine and no
wafer: compile() compiles at once, every run is simulated, and a launcher stages files in a folder of its own."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

from cerebras.sdk import sdk_utils
from cerebras.sdk.runtime import sdkruntimepybind as _local
from ingot.library import IngotError, Program

__all__ = ["SdkCompiler", "SdkLauncher", "SdkRuntime", "sdk_utils"]


def _say(text):
    print(text, file=sys.stderr)


def _record(job, artifact):
    """Leaves the records of a job where the appliance's client does; public scripts remove them with `rm` (inferred)."""
    for name in ("run_meta.json", f"wsjob-{job}.json"):
        with open(name, "w", encoding="utf-8") as file:
            json.dump({"job": job, "artifact": artifact}, file)


def _folder_option(options):
    """Takes the value of -o out of a list of options; what is left, and the folder or None."""
    rest, folder, i = [], None, 0
    while i < len(options):
        if options[i] == "-o" and i + 1 < len(options):
            folder, i = options[i + 1], i + 1
        elif options[i].startswith("-o="):
            folder = options[i][3:]
        else:
            rest.append(options[i])
        i += 1
    return rest, folder


class SdkCompiler:
    """with SdkCompiler() as compiler: or compiler = SdkCompiler(). Resources mean nothing here."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def compile(self, app_path, csl_main, options, out_path=".", **_):
        """Compiles `csl_main` of folder `app_path`; the output folder that the options name lies under `out_path`."""
        rest, folder = _folder_option(shlex.split(options))
        folder = os.path.join(os.path.abspath(out_path), folder or "out")
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        Program.compile([os.path.join(app_path, csl_main), *rest, "-o", folder])
        _record("compile", folder)
        return folder


def _simulated(simulator, name):
    if not simulator:
        _say(f"{name}: simulator=False, but there is no wafer here; the run is simulated")


class SdkRuntime(_local.SdkRuntime):
    """with SdkRuntime(artifact, simulator=True) as runner: loads, runs and stops."""

    def __init__(self, artifact, simulator=False, **options):
        _simulated(simulator, "SdkRuntime")
        super().__init__(artifact, **options)
        _record("run", os.path.abspath(artifact))


class SdkLauncher:
    """with SdkLauncher(artifact, simulator=True) as launcher: commands in a folder that holds the artifact's files."""

    def __init__(self, artifact, simulator=False, **_):
        _simulated(simulator, "SdkLauncher")
        self._artifact = os.path.abspath(artifact)
        self._folder = None

    def __enter__(self):
        self._folder = tempfile.mkdtemp(prefix="ingot-launcher-")
        shutil.copytree(self._artifact, os.path.join(self._folder, os.path.basename(self._artifact)))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def _path(self, name=""):
        if not self._folder:
            raise IngotError("SdkLauncher: use it as `with SdkLauncher(...) as launcher:`")
        return os.path.join(self._folder, name)

    def stage(self, path):
        """Copies a file or folder to where the commands run."""
        copy = shutil.copytree if os.path.isdir(path) else shutil.copy
        copy(path, self._path(os.path.basename(os.path.normpath(path))))

    def run(self, *commands):
        """Runs shell commands there and returns what they print. There is no address for %CMADDR%: the simulator."""
        printed = ""
        for command in commands:
            text = command.replace("--cmaddr %CMADDR%", "").replace("%CMADDR%", "")
            done = subprocess.run(text, shell=True, cwd=self._path(), check=False, stdout=subprocess.PIPE, text=True)
            printed += done.stdout
            if done.returncode:
                raise IngotError(f"'{text}' ended with status {done.returncode}; it printed:\n{done.stdout}")
        return printed

    def download_artifact(self, name, out_path):
        """Copies a file that the commands left to `out_path`."""
        shutil.copy(self._path(name), out_path)
