import hashlib
import json
import re

import pytest

from probes.replay import load

CSV = "t_s,temp_celsius,freq_mhz\n0,40,3000\n1.5,41.5,\n3,45,2800\n"
ROWS = [
    {"t_s": 0, "temp_celsius": 40, "freq_mhz": 3000},
    {"t_s": 1.5, "temp_celsius": 41.5, "freq_mhz": None},
    {"t_s": 3, "temp_celsius": 45, "freq_mhz": 2800},
]
TABLE = [
    {"run_id": "r", "condition": "all", "cycle": i, "t_ns": row["t_s"] * 10**9}
    | {name: row[name] for name in ("temp_celsius", "freq_mhz")}
    for i, row in enumerate(ROWS)
]
EXPORT = {
    "metadata": {},
    "system_metrics": [
        {"cycle": 0, "cpu_percent": 3.0, "cpu_temp_celsius": None, "system_t_ns": 5},
        *(
            {"cycle": i, "cpu_temp_celsius": row["temp_celsius"], "cpu_freq_mhz": row["freq_mhz"]}
            | {"thermal_t_ns": row["t_s"] * 10**9}
            for i, row in enumerate(ROWS)
        ),
    ],
}


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "trace"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(CSV, id="csv"),
        pytest.param("\ufeff" + CSV.replace(",", ", ").replace("\n", "\r\n"), id="csv-of-a-spreadsheet"),
        pytest.param(ROWS, id="json"),
        pytest.param(TABLE, id="rows-of-the-table"),
        pytest.param(EXPORT, id="exported-run"),
    ],
)
def test_every_form_of_one_trace_holds_the_same_readings(written, content):
    trace = load(written(content))
    assert trace.t_s == (0.0, 1.5, 3.0)
    assert trace.readings == ((40.0, 3000.0), (41.5, None), (45.0, 2800.0))


def test_the_digest_is_the_files(written):
    assert load(written(CSV)).sha256 == hashlib.sha256(CSV.encode()).hexdigest()


def test_a_reading_holds_until_the_next_and_the_last_one_ends_the_trace(written):
    trace = load(written("t_s,temp_celsius\n1,40\n2,50\n"))
    assert [trace.at(t_s)[0] for t_s in (0.99, 1.0, 1.99, 2.0, 2.01)] == [None, 40.0, 40.0, 50.0, None]
    assert trace.lacking(0.5) == "the replayed trace begins at 1 s"
    assert trace.lacking(9.0) == "the replayed trace ends at 2 s"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("", "columns are none", id="empty"),
        pytest.param("t_s,temp_celsius\n", "holds no reading", id="no-rows"),
        pytest.param("t_s,temp_celsius\n0,\n", "holds no reading", id="no-values"),
        pytest.param("temp_celsius\n40\n", "give t_s", id="no-time"),
        pytest.param("t_s,t_ns,temp_celsius\n0,0,40\n", "give t_s", id="two-times"),
        pytest.param("t_s,cycle\n0,1\n", "give t_s, temp_celsius, freq_mhz", id="no-signal"),
        pytest.param("t_s,temp_celcius\n0,40\n", "column 'temp_celcius'", id="misspelt"),
        pytest.param("t_s,temp_celsius\n0\n", "line 2 has not 2 cells", id="short-line"),
        pytest.param("t_s,temp_celsius\n0,40,1\n", "line 2 has not 2 cells", id="long-line"),
        pytest.param("t_s,temp_celsius\n0,warm\n", "temp_celsius in row 1 is 'warm'", id="no-number"),
        pytest.param("t_s,temp_celsius\n0,nan\n", "temp_celsius in row 1 is 'nan'", id="nan"),
        pytest.param("t_s,temp_celsius\n-1,40\n", "row 1 has t_s=-1", id="before-the-start"),
        pytest.param("t_s,temp_celsius\n,40\n", "row 1 has t_s=None", id="empty-time"),
        pytest.param("t_s,temp_celsius\n1,40\n1,41\n", "row 2 is at 1 s and row 1 at 1 s", id="two-runs"),
        pytest.param("t_s,temp_celsius\n0,45000\n", "row 1 has temp_celsius=45000", id="millidegrees"),
        pytest.param("t_s,freq_mhz\n0,0\n", "row 1 has freq_mhz=0", id="stopped-clock"),
        pytest.param([1, 2], "no array of objects", id="numbers"),
        pytest.param({"a": 1}, "no system_metrics", id="foreign-object"),
        pytest.param('{"system_metrics": [', "is no trace", id="cut-off-json"),
    ],
)
def test_a_malformed_trace_is_refused_by_its_name(written, content, words):
    path = written(content)
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        load(path)
    assert str(refused.value).startswith(f"replay={path} ")
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused_by_its_name(tmp_path):
    for path in (tmp_path, tmp_path / "none", 3):
        with pytest.raises(ValueError, match=f"replay={path} cannot be read"):
            load(path)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="is no trace"):
        load(tmp_path / "bytes")
