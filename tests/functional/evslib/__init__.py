# SPDX-License-Identifier: Apache-2.0
"""What the stories of tests/functional are told with: see lab.py."""
from .evsd import Evsd, EvsctlError
from .lab import Lab
from .ofctl import Ofctl
from .rpc import RpcClient, RpcError
from .wait import wait_for

__all__ = ["Evsd", "EvsctlError", "Lab", "Ofctl", "RpcClient", "RpcError", "wait_for"]
