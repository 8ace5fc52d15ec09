"""LocalStack as its own command starts it, also under Python 3.11.

Its KMS passes bytes to uuid.uuid5 as a name, which Python takes since 3.12.
"""

import runpy
import sys
import uuid
from hashlib import sha1


def uuid5(namespace, name):
    name = name if isinstance(name, bytes) else name.encode()
    return uuid.UUID(bytes=sha1(namespace.bytes + name).digest()[:16], version=5)


if sys.version_info < (3, 12):
    uuid.uuid5 = uuid5
runpy.run_module("localstack.runtime.main", run_name="__main__", alter_sys=True)
