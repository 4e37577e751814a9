"""A process that writes pages of region us into a bucket, as the lines of its input say.

``hold`` takes the region, ``write TEXT`` publishes a page, ``release`` lets go. Each is answered
by a line: ``done``, or what went wrong.
"""

import logging
import sys
from contextlib import ExitStack

from model2_assets.errors import StoreError
from model2_assets.storage import Address, Store, lease

SHEET = Address("us", "tear_sheet", "21d", "ridge")


def main(base: str, seconds: str) -> None:
    """Do as the lines say."""
    logging.basicConfig(level=logging.INFO)
    lease.LEASE_SECONDS = float(seconds)
    store, held = Store(base), ExitStack()
    for line in sys.stdin:
        order, _, text = line.strip().partition(" ")
        try:
            if order == "hold":
                held.enter_context(store.hold("us"))
            elif order == "write":
                store.write(SHEET, text * 1_000 if text.startswith("many") else text)
            else:
                held.close()
            print("done", flush=True)
        except StoreError as error:
            print(error, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
