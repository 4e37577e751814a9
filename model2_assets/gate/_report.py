"""The verdict on disk: ``gate.xml`` for build servers, ``gate.json`` for programs."""

import json
from dataclasses import dataclass

from upath import UPath

from model2_assets.errors import ConfigError
from model2_assets.files import is_local, write_atomically
from model2_assets.gate._summary import GateSummary
from model2_assets.storage import Store

FOLDER = "gate"
JUNIT_FILE, JSON_FILE = "gate.xml", "gate.json"


@dataclass(frozen=True)
class GateReport:
    """Where the verdict is written.

    Attributes
    ----------
    folder : UPath
        A folder that is there.
    """

    folder: UPath

    @classmethod
    def prepare(cls, folder: str | None, store: Store) -> "GateReport":
        """Make sure that there is a folder to write to, before any work is spent.

        Parameters
        ----------
        folder : str or None
            The folder; without one, ``gate`` below the base path of `store` where that is a
            local disk, else ``gate`` in the working directory.
        store : Store
            Where results are.

        Returns
        -------
        GateReport
            To be given the verdict at the end.

        Raises
        ------
        ConfigError
            If the folder cannot be made.
        """
        if folder is not None:
            path = UPath(folder)
        else:
            path = store.base / FOLDER if is_local(store.base) else UPath(FOLDER)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"report folder {path}: cannot be made ({error.strerror}); correct --report-dir"
            ) from error
        return cls(path)

    def write(self, summary: GateSummary) -> None:
        """Write both files, each in one step.

        Parameters
        ----------
        summary : GateSummary
            The verdict.
        """
        from model2_assets.gate._junit import junit_xml

        text = json.dumps(summary.document(), indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(self.folder / JUNIT_FILE, junit_xml(summary))
        write_atomically(self.folder / JSON_FILE, f"{text}\n".encode())
