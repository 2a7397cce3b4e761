"""Iterates the export with pyTenable and prints the measurements as a line of JSON."""
import json, os, resource, sys, time

port, processor = sys.argv[1], sys.argv[2]
if processor != "-":
    try:
        os.sched_setaffinity(0, {int(processor)})
    except (AttributeError, OSError):
        pass

from tenable.io import TenableIO


def peak():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except OSError:
        return 0.0


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


idle, start, before = peak(), time.perf_counter(), cpu()
tio = TenableIO(access_key="a" * 64, secret_key="b" * 64, url=f"http://127.0.0.1:{port}")
kept = [] if len(sys.argv) > 3 else None
count = 0
for record in tio.exports.was():
    count += 1
    if kept is not None:
        kept.append(record)
print(json.dumps({"wall": time.perf_counter() - start, "cpu": cpu() - before, "peak": peak(), "idle": idle,
                  "count": count, "note": ""}))
