"""The soak's load, in a process of its own: what the crash test sends, from fewer users.

    python -m measure.soak_load BOOTSTRAP TOPIC COUNT SECONDS USERS
"""

import sys

from checker.load import Load, send
from checker.wire import Schemas
from harness import SCHEMAS


def main():
    bootstrap, topic, count, seconds, users = sys.argv[1:]
    load = Load(Schemas(SCHEMAS), 1, users=int(users))
    acked = send(bootstrap, topic, load.records(int(count)), int(count), float(seconds))
    print(f"load: {acked} records", file=sys.stderr)


if __name__ == "__main__":
    main()
