"""One peer's turn, run by the peers' own Python: `peer.py dlt|dlt-tuned|drt URL PARQUET FOLDER`.

`dlt`: rows as they come from DuckDB, a custom destination at its defaults, which is given ten at a time. `dlt-tuned`:
Arrow tables, Parquet files, batches of 500, four workers. `drt`: its REST destination in batches of 500.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from time import perf_counter

_QUERY = "select email as key, {'country': country, 'first_name': first_name, 'ltv': ltv} as \"values\" from '%s'"


def main(peer: str, url: str, members: str, folder: str) -> None:
    """Deliver, and print what it took."""
    work = Path(folder)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(work), "HOME": str(work)}
    deliver = {"dlt": _dlt, "dlt-tuned": _dlt_tuned, "drt": _drt}[peer](f"{url}/audiences/1/members", members, work)
    began, spent = perf_counter(), _cpu()
    with contextlib.redirect_stdout(sys.stderr):
        deliver()
    status = Path("/proc/self/status").read_text()
    memory = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"wall": perf_counter() - began, "cpu": _cpu() - spent, "memory": memory}))


def _dlt(url: str, members: str, work: Path):
    import dlt
    import duckdb

    def rows():
        found = duckdb.connect().execute(_QUERY % members)
        while some := found.fetchmany(5_000):
            yield [{"key": key, **values} for key, values in some]

    post = _poster(url)

    @dlt.destination
    def partner(items, table):
        post([{"key": each.pop("key"), "values": each} for each in items])

    pipeline = dlt.pipeline("defaults", destination=partner, pipelines_dir=str(work))
    return lambda: pipeline.run(rows(), table_name="members").raise_on_failed_jobs()


def _dlt_tuned(url: str, members: str, work: Path):
    import dlt
    import pyarrow.parquet as pq

    os.environ |= {"LOAD__WORKERS": "4", "NORMALIZE__WORKERS": "4", "DATA_WRITER__FILE_MAX_ITEMS": "100000"}

    def tables():
        yield from pq.ParquetFile(members).iter_batches(50_000)

    post = _poster(url)

    @dlt.destination(batch_size=500, loader_file_format="parquet", max_parallel_load_jobs=4)
    def partner(items, table):
        post([{"key": each.pop("email"), "values": each} for each in items.to_pylist()])

    pipeline = dlt.pipeline("tuned", destination=partner, pipelines_dir=str(work))
    return lambda: pipeline.run(tables(), table_name="members").raise_on_failed_jobs()


def _poster(url: str):
    import httpx
    import orjson

    client = httpx.Client(timeout=30, trust_env=False)

    def post(members) -> None:
        client.post(url, content=orjson.dumps({"action": "add", "members": members})).raise_for_status()

    return post


def _drt(url: str, members: str, work: Path):
    import duckdb

    with duckdb.connect(str(work / "warehouse.duckdb")) as warehouse:
        warehouse.execute(f"create table members as {_QUERY % members}")
    (work / ".drt").mkdir()
    (work / ".drt" / "profiles.yml").write_text(f"bench:\n  type: duckdb\n  database: {work / 'warehouse.duckdb'}\n")
    (work / "drt_project.yml").write_text("name: bench\nversion: '0.1'\nprofile: bench\n")
    (work / "syncs").mkdir()
    (work / "syncs" / "members.yml").write_text(
        "name: members\nmodel: select * from members\ndestination:\n  type: rest_api\n"
        f"  url: {url}\n  method: POST\n  body_mode: batch\n"
        """  batch_template: '{"action":"add","members":{{ rows | tojson }}}'\n"""
        "sync:\n  mode: full\n  batch_size: 500\n  rate_limit:\n    requests_per_second: 0\n"
    )
    drt = str(Path(sys.executable).parent / "drt")
    return lambda: subprocess.run([drt, "run"], cwd=work, check=True, stdout=sys.stderr)


def _cpu() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


if __name__ == "__main__":
    main(*sys.argv[1:])
