"""find_format: recognize the format of a file by its first bytes and its suffix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from factorate._input.source import Source

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
# Text can begin with ORC, but has no such control characters.
BINARY = rb".*?[\0-\x08\x0e-\x1f]"
SIGNATURES = {
    "parquet": rb"PAR1" + BINARY,
    "arrow": rb"ARROW1" + BINARY + rb"|\xff\xff\xff\xff",
}

# Formats that are not read: what they are, and what to do.
ARCHIVE = "extract it and pass the file of ratings"
REJECTED = {
    "avro": ("an Avro file", "pass polars.read_avro(…)"),
    "excel": ("a spreadsheet", "save the sheet as CSV, or pass pandas.read_excel(…)"),
    "feather": ("a Feather file of version 1", "pass pandas.read_feather(…)"),
    "hdf5": ("an HDF5 file", "pass pandas.read_hdf(…), or a tuple (users, items, ratings)"),
    "html": ("a web page", "check where it was downloaded from"),
    "json": (
        "a JSON array",
        "pass pandas.read_json(…), or write JSON lines, with an object on each line",
    ),
    "lz4": ("compressed with LZ4", "decompress it"),
    "market": ("a Matrix Market file", "pass scipy.io.mmread(…)"),
    "matlab": ("a MATLAB file", "pass a matrix from scipy.io.loadmat(…)"),
    "npy": ("a NumPy array", "pass tuple(numpy.load(…).T) if its columns are user, item, rating"),
    "npz": (
        "a NumPy archive",
        "pass scipy.sparse.load_npz(…), or the arrays in it as (users, items, ratings)",
    ),
    "orc": ("an ORC file", "pass pyarrow.orc.read_table(…)"),
    "pickle": (
        "a pickle",
        "only if you trust it, because it can run code, pass pandas.read_pickle(…)",
    ),
    "r": ("a file of R", "write a CSV file with write.csv in R"),
    "rar": ("a RAR archive", ARCHIVE),
    "sas": ("a SAS file", "pass pandas.read_sas(…)"),
    "seven": ("a 7-Zip archive", ARCHIVE),
    "spss": ("an SPSS file", "pass pandas.read_spss(…)"),
    "sqlite": ("an SQLite database", "pass pandas.read_sql(…)"),
    "stata": ("a Stata file", "pass pandas.read_stata(…)"),
    "tar": ("a tar archive", ARCHIVE),
    "xml": ("an XML file", "pass pandas.read_xml(…)"),
}
REJECTED_SUFFIXES = {
    ".7z": "seven",
    ".avro": "avro",
    ".dta": "stata",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".html": "html",
    ".joblib": "pickle",
    ".lz4": "lz4",
    ".mat": "matlab",
    ".mtx": "market",
    ".npy": "npy",
    ".npz": "npz",
    ".ods": "excel",
    ".orc": "orc",
    ".pickle": "pickle",
    ".pkl": "pickle",
    ".rar": "rar",
    ".rda": "r",
    ".rdata": "r",
    ".rds": "r",
    ".sas7bdat": "sas",
    ".sav": "spss",
    ".sqlite": "sqlite",
    ".tar": "tar",
    ".tgz": "tar",
    ".xls": "excel",
    ".xlsx": "excel",
    ".xml": "xml",
}
REJECTED_SIGNATURES = {
    "avro": rb"Obj\x01",
    "excel": rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "feather": rb"FEA1" + BINARY,
    "hdf5": rb"\x89HDF\r\n",
    "html": rb"(?i)\s*<(!doctype html|html)",
    "lz4": rb"\x04\x22\x4d\x18",
    "market": rb"%%MatrixMarket",
    "matlab": rb"MATLAB 5\.0 MAT-file",
    "npy": rb"\x93NUMPY",
    "orc": rb"ORC" + BINARY,
    "pickle": rb"\x80[\x02-\x05]",
    "r": rb"(RD[AX][23]\n)?[AX]\n\0\0\0[\x02\x03]",
    "rar": rb"Rar!\x1a\x07",
    "seven": rb"7z\xbc\xaf\x27\x1c",
    "spss": rb"\$FL[23]",
    "sqlite": rb"SQLite format 3\0",
    "stata": rb"<stata_dta>",
    "tar": rb".{257}ustar(\0|  \0)",
    "xml": rb"(?i)\s*<\?xml",
}
JSON_ARRAY = re.compile(rb"\s*\[\s*[\[{]")
JSON_ARRAY_OR_VALUE = re.compile(rb"\s*\[")
JSON_OBJECT = re.compile(rb"\s*\{")
BOM = b"\xef\xbb\xbf"


def find_format(source: Source) -> str:
    """Return the format of a file: csv (text with any separator), jsonl, parquet or arrow.

    Parameters
    ----------
    source : Source
        The file. Its first bytes count before its suffix.

    Raises
    ------
    ValueError
        If it has a format that is not read; the message names the format and what to do.
    """
    head = source.head()
    for form, pattern in SIGNATURES.items():
        if re.match(pattern, head, re.DOTALL):
            return form
    for form, pattern in REJECTED_SIGNATURES.items():
        if re.match(pattern, head, re.DOTALL):
            raise _rejected(source.name, form)
    text = head.removeprefix(BOM)
    is_json = source.suffix == ".json"
    if (JSON_ARRAY_OR_VALUE if is_json else JSON_ARRAY).match(text):
        raise _rejected(source.name, "json")
    if source.suffix in REJECTED_SUFFIXES:
        raise _rejected(source.name, REJECTED_SUFFIXES[source.suffix])
    if source.suffix in SUFFIXES:
        return SUFFIXES[source.suffix]
    return "jsonl" if is_json or JSON_OBJECT.match(text) else "csv"


def check_archive(name: str, suffix: str, members: Collection[str]) -> None:
    """Raise ValueError for a zip archive that is a spreadsheet, or a NumPy archive."""
    if "[Content_Types].xml" in members or suffix == ".ods":
        raise _rejected(name, "excel")
    if members and all(member.endswith(".npy") for member in members):
        raise _rejected(name, "npz")


def _rejected(name: str, form: str) -> ValueError:
    what, way_out = REJECTED[form]
    return ValueError(f"{name} is {what}, which is not read; {way_out}")
