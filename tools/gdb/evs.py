# SPDX-License-Identifier: Apache-2.0
"""gdb printers for keys, action programs and cached flows: (gdb) source tools/gdb/evs.py

They read memory only, so they work on core files, too. `key`, of a mask, shows the bits looked at.
"""
import gdb
import gdb.printing

OPS_WITH_SUBPROGRAM = "FLOW_OP_CLONE"


def swap(value, size):
    return int.from_bytes(int(value).to_bytes(size, "little"), "big")


def raw(value):
    """The bytes of a value."""
    return bytes(gdb.selected_inferior().read_memory(int(value.address), value.type.sizeof))


def mac(value):
    return ":".join(f"{byte:02x}" for byte in raw(value))


def ipv4(value):
    return ".".join(str(byte) for byte in raw(value))


def ipv6(value):
    return ":".join(raw(value)[i:i + 2].hex() for i in range(0, 16, 2))


def vlan(value):
    tci = swap(value["tci"], 2)
    return f"{tci & 0xfff}/pcp{tci >> 13}" if tci & 0x1000 else None


class Key:
    """struct pkt_key_base"""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        key = self.value
        eth_type = swap(key["eth_type"], 2)
        parts = [f"in_port={int(key['in_port'])}"]
        if int(key["recirc_id"]):
            parts.append(f"recirc={int(key['recirc_id']):#x}")
        parts.append(f"{mac(key['eth_src'])}->{mac(key['eth_dst'])}")
        parts += [f"vlan={text}" for text in (vlan(key["vlan"][0]), vlan(key["vlan"][1])) if text]
        parts.append(f"type={eth_type:#06x}")
        if eth_type == 0x0806:
            parts.append(f"op={swap(key['arp_op'], 2)} {ipv4(key['arp_spa'])}->{ipv4(key['arp_tpa'])}")
        elif eth_type in (0x0800, 0x86DD):
            parts += self.l3(key, eth_type)
        elif eth_type in (0x8847, 0x8848):
            parts.append(f"lse={swap(key['mpls_lse'][0], 4):#010x} labels={int(key['n_mpls'])}")
        if int(key["lines"]):
            parts.append(f"lines={int(key['lines']):#x}")
        return " ".join(parts)

    @staticmethod
    def l3(key, eth_type):
        parts = []
        if eth_type == 0x0800:
            parts.append(f"{ipv4(key['ip_src'])}->{ipv4(key['ip_dst'])}")
        parts.append(f"proto={int(key['ip_proto'])} tos={int(key['ip_tos']):#x} ttl={int(key['ip_ttl'])}")
        if int(key["frag"]):
            parts.append(f"frag={int(key['frag'])}")
        parts.append(f"tp={swap(key['tp_src'], 2)}->{swap(key['tp_dst'], 2)}")
        return parts


class Ipv6Line:
    """struct pkt_key_ipv6"""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        line = self.value
        text = f"{ipv6(line['src'])}->{ipv6(line['dst'])} flabel={swap(line['flabel'], 4):#x}"
        return text + (f" nd={ipv6(line['nd_target'])}" if any(raw(line["nd_target"])) else "")


def ops(address, size):
    """Text of the ops in `size` bytes of memory."""
    memory = bytes(gdb.selected_inferior().read_memory(address, size))
    kinds = gdb.lookup_type("enum flow_op_kind")
    names = {field.enumval: field.name for field in kinds.fields()}
    texts, at = [], 0
    while at + 8 <= size:
        kind = memory[at]
        op_size = int.from_bytes(memory[at + 2:at + 4], "little")
        name = names.get(kind, f"op{kind}")
        if op_size < 8 or at + op_size > size:
            return texts + [f"{name}: damaged size {op_size}"]
        text = name.replace("FLOW_OP_", "").lower().replace("_", "-")
        if name == OPS_WITH_SUBPROGRAM:
            text += "(" + ",".join(ops(address + at + 8, op_size - 8)) + ")"
        else:
            arg = int.from_bytes(memory[at + 4:at + 8], "little")
            payload = memory[at + 8:at + op_size].hex()
            text += f":{arg}" + (f"[{payload}]" if payload else "")
        texts.append(text)
        at += op_size
    return texts


class Program:
    """struct flow_prog, struct flow_prog_builder"""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        size = int(self.value["size"])
        return ",".join(ops(int(self.value["ops"].address), size)) if size else "empty"


class Flow:
    """struct flow"""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        flow = self.value
        alive = "alive" if int(flow["gen"]) % 2 == 0 else "dead"
        program = flow["prog"].dereference() if int(flow["prog"]) else "none"
        return (f"{alive} gen={int(flow['gen'])} pkts={int(flow['n_pkts'])} bytes={int(flow['n_bytes'])} "
                f"{flow['key']} actions={program}")


def printers():
    collection = gdb.printing.RegexpCollectionPrettyPrinter("evs")
    for name, printer in (("pkt_key_base", Key), ("pkt_key_ipv6", Ipv6Line), ("flow_prog", Program),
                          ("flow_prog_builder", Program), ("flow", Flow)):
        collection.add_printer(name, f"^{name}$", printer)
    return collection


gdb.printing.register_pretty_printer(gdb.current_objfile(), printers(), replace=True)
