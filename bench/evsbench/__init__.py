# SPDX-License-Identifier: Apache-2.0
"""Throughput of evs beside other switches, in one run, on the same traffic."""
