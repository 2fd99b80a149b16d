"""The addons of a running engine: loaded at the start, scripts again whenever they are saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rama_proxy.addon import Engine, Loader
from rama_proxy.addon_files import load_addons, load_script
from rama_proxy.errors import AddonError
from rama_proxy.hooks import Hooks

SOURCE = "scripts"  # what the log calls us


class AddonSet:
    """Keeps `hooks` filled with the installed addons `names` and the `scripts`."""

    def __init__(self, hooks: Hooks, names: Sequence[str], scripts: Sequence[str]) -> None:
        self.hooks = hooks
        self.names = names
        self.scripts = [Path(script) for script in scripts]
        self.engine: Engine | None = None  # what addons get to ask
        self._installed: list[object] = []

    async def load(self) -> None:
        """Load everything. Raises AddonError."""
        self._installed = load_addons(self.names)
        await self._use([load_script(script) for script in self.scripts])

    async def reload(self) -> None:
        """Load the scripts anew. Raises AddonError; the old ones then stay in place."""
        try:
            scripts = [load_script(script) for script in self.scripts]
            checked = Hooks([*self._installed, *scripts])
        except AddonError as error:
            self.hooks.report("error", SOURCE, str(error))
            raise
        del checked
        await self.hooks.run_plain(self.hooks.done)
        await self._use(scripts)
        await self.hooks.run_plain(self.hooks.running)
        names = ", ".join(script.name for script in self.scripts)
        self.hooks.report("info", SOURCE, f"loaded anew: {names}")

    async def _use(self, scripts: list[object]) -> None:
        self.hooks.set_addons([*self._installed, *scripts])
        await self.hooks.run(self.hooks.load, Loader(engine=self.engine))

    async def watch(self) -> None:
        """Reload whenever a script, or a Python file beside one, is saved. Never ends."""
        from watchfiles import awatch

        folders = {script.absolute().parent for script in self.scripts}
        async for changes in awatch(*folders, recursive=False, step=50, debounce=200):
            if any(path.endswith(".py") for _, path in changes):
                try:
                    await self.reload()
                except AddonError:
                    continue  # reported; the next save may mend it
