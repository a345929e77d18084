"""The study's raw result files: bring them in as runs, write runs in their form."""

from store.raw.fields import NotImportable
from store.raw.reading import Held, ImportResult, held_by, import_file
from store.raw.text import json_text
from store.raw.writing import export_name, export_run

__all__ = [
    "Held",
    "ImportResult",
    "NotImportable",
    "export_name",
    "export_run",
    "held_by",
    "import_file",
    "json_text",
]
