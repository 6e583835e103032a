# SPDX-License-Identifier: Apache-2.0
"""How the scenarios are measured: each function gets the lab and the name of a switch, and returns
{row: value}. A value of None says that this switch can not be measured so."""
import contextlib
import time
import types

from . import proc, traffic
from .attacks import ATTACKS, VICTIM_RULES, overlay_rules
from .scenarios import (FORWARD, FORWARD_UDP, acl, capture, null_device, one_way, replay_device,
                        sink_device)
from .turns import Turn, alternate


def throughput(setup):
    """Packets a second of all ports; for switches that take turns."""
    @contextlib.contextmanager
    def opened(lab, name):
        s = setup(lab.folder)
        with lab.running(name, s["devices"], s["rules"]) as switch:
            meter = lab.meter(switch)
            time.sleep(lab.options.warm_up)
            if lab.options.show_worker and hasattr(switch, "worker_show"):
                print(switch.worker_show())
            yield [switch], meter.window
    return opened


def kept(base, other, rows):
    """What is left of the rate of the first set-up in the second, in percent; two switches of a kind take turns."""
    def measure(lab, name):
        with contextlib.ExitStack() as stack:
            turns = {row: Turn(*stack.enter_context(throughput(setup)(lab, name)))
                     for row, setup in zip(rows, (base, other))}
            rates = alternate(turns, 2 * lab.options.turns)
        values = {row: [rate / 1e6 for rate in rates[row]] for row in rows}
        values["kept"] = [100 * less / rate for rate, less in zip(*rates.values())]
        return values
    return measure


def million(n):
    """Flows from a generator that shares a CPU with the control thread of the switch."""
    def measure(lab, name):
        with lab.generator(1) as generator:
            devices = generator.devices() + [sink_device(1)]
            with lab.running(name, devices, FORWARD_UDP) as switch:
                generator.connected()
                generator.begin(0, n, lab.options.seconds + lab.options.warm_up + 2)
                rate = lab.rate(switch)
                generator.end()
                return {"": rate / 1e6}
    return measure


def misses(lab, name):
    """Each packet begins a new flow, through 1,000 rules of 20 shapes."""
    rules, _ = traffic.acl(1000, 1)
    rules = ["in_port=1," + rule for rule in traffic.acl_text(rules, "output:2")]
    with lab.generator(1) as generator:
        devices = generator.devices() + [sink_device(1)]
        with lab.running(name, devices, rules + ["priority=0,actions=output:2"]) as switch:
            generator.connected()
            generator.begin(0, 0, lab.options.seconds + lab.options.warm_up + 2)
            rate = lab.rate(switch, best=False)
            generator.end()
            return {"": rate / 1e6}


TRIAL_S = 0.1


def is_whole(run, rate):
    """Was the rate reached, and less than one packet in a thousand lost?"""
    return run["received"] >= 0.999 * run["sent"] and run["pps"] >= 0.95 * rate


def holds(generator, rate):
    """Is a quarter of eight trials whole? Time that others take from switch or generator only ever makes
    more be lost."""
    good = 0
    for _ in range(8):
        good += is_whole(generator.run(rate, 1000, TRIAL_S), rate)
        if good == 2:
            return True
    return False


def no_drop_rate(generator):
    """Packets a second, by bisection; the first bound is twice what passes when far more is sent."""
    low, high = 0, 2 * max(generator.run(0, 1000, TRIAL_S)["received"] for _ in range(8)) / TRIAL_S
    for _ in range(7):
        rate = (low + high) / 2
        if holds(generator, rate):
            low = rate
        else:
            high = rate
    return low


def latency(lab, names):
    """Through two vhost ports and back to a generator of each switch, 1,000 flows: the no-drop rate; then, in
    turns, the quantiles of the time a packet takes at parts of the lowest of these rates, since latencies
    compare at equal rates only. Turns in which all switches were whole count."""
    rules = [rule.replace("in_port=2", "in_port=2,udp") for rule in FORWARD]
    turns, generators, rates = {}, {}, {}
    with contextlib.ExitStack() as stack:
        for name in names:
            generators[name] = generator = stack.enter_context(lab.generator(2))
            switch = stack.enter_context(lab.running(name, generator.devices(), rules))
            generator.connected()
            generator.run(0, 1000, 1)
            rates[name] = no_drop_rate(generator)
            turns[name] = Turn([switch, generator], None)
        result = {name: {"no-drop": rate / 1e6} for name, rate in rates.items()}
        for part in (10, 50, 90):
            rate = min(rates.values()) * part / 100
            for name, turn in turns.items():
                turn.take = lambda generator=generators[name]: (generator.run(rate, 1000, TRIAL_S), 0)
            runs = alternate(turns, lab.options.turns)
            whole = [at_once for at_once in zip(*runs.values()) if all(is_whole(run, rate) for run in at_once)]
            for quantile in ("p50", "p99", "p999") if whole else ():
                for name, of_name in zip(runs, zip(*whole)):
                    result[name]["%d%%-%s" % (part, quantile)] = [run[quantile + "_us"] for run in of_name]
    return result


def best_quarter(generator, n, rate, seconds):
    """Of n runs, {quantile: microseconds}: what others do to the machine only ever makes it longer."""
    runs = [generator.run(rate, 16, seconds) for _ in range(n)]
    return {quantile: sorted(run[quantile] for run in runs)[n // 4] for quantile in ("p50_us", "p99_us")}


def idle(lab, name):
    """A worker without traffic: part of its CPU in percent, how long the first packets of a pause take
    in microseconds, how many of a burst after a pause are lost."""
    with lab.generator(2) as generator:
        rules = [rule.replace("in_port=2", "in_port=2,udp") for rule in FORWARD]
        with lab.running(name, generator.devices(), rules) as switch:
            generator.connected()
            generator.run(1000, 16, 0.5)
            time.sleep(0.5)
            worker = switch.workers()[0] + "/schedstat"
            before, start = proc.run_time(worker), time.monotonic()
            time.sleep(max(lab.options.seconds, 2))
            cost = (proc.run_time(worker) - before) / (time.monotonic() - start)
            soon, late = best_quarter(generator, 6, 40, 0.5), best_quarter(generator, 6, 5, 0.7)
            lost = 0
            for _ in range(10):
                time.sleep(0.3)
                burst = generator.run(0, 16, 0.00002)
                lost += burst["sent"] - burst["received"]
            return {"cpu": 100 * cost, "wake-p50": soon["p50_us"], "wake-p99": soon["p99_us"],
                    "deep-wake-p50": late["p50_us"], "lost": lost}


def memory(lab, name):
    """Bytes for each of up to 100,000 cached flows."""
    rules, flow_list = traffic.acl(1000, 100000)
    frames = capture(lab.folder, "acl-1000-100000", lambda: map(traffic.udp4, flow_list))
    rules = traffic.acl_text(rules, "output:2") + ["priority=0,actions=drop"]
    with lab.generator(1, frames) as generator:
        with lab.running(name, generator.devices() + [sink_device(1)], rules) as switch:
            generator.connected()
            before = proc.memory(switch.pid()), switch.n_cached()
            generator.run(200000, 0, 3)
            after = proc.memory(switch.pid()), switch.n_cached()
            n = after[1] - before[1]
            return {"bytes": (after[0] - before[0]) / n if n > 0 else None}


def two_workers(lab, name):
    """1,000 flows each way: one switch with two workers takes turns with two others, of which one has its
    worker on the first CPU and one on the second. Taken: what control, the bench and others had of the
    time of the two workers, which does not count."""
    path = one_way(1000)(lab.folder)["devices"][0].split("rx_pcap=")[1].split(",")[0]
    devices, options = [replay_device(i, path) for i in range(2)], lab.options
    with contextlib.ExitStack() as stack:
        turns = {}
        for role in ("first", "second", "both"):
            switch = stack.enter_context(lab.running(name, devices, FORWARD, role == "both", role == "second"))
            if role == "both":
                switch.give_own_worker("p0", options.worker_cpu, options.control_cpu)
            meter = lab.meter(switch)
            time.sleep(options.warm_up)
            turns[role] = Turn([switch], meter.window)
        rates = alternate(turns, 4 * options.turns)
        one = [(first + second) / 2 for first, second in zip(rates["first"], rates["second"])]
        return {"": [both / alone for both, alone in zip(rates["both"], one)],
                "taken": [100 * part for part in meter.taken]}


def rebalance(lab, name):
    """Two busy queues on one worker, on either in turn, while the other has none; then the switch may
    move them."""
    devices, cpus = [null_device(i) for i in range(2)], (lab.options.worker_cpu, lab.options.control_cpu)
    with lab.running(name, devices, FORWARD, two_workers=True) as switch:
        before, after = [], []
        for cpu in cpus:
            switch.skew(cpu)
            before.append(lab.rate(switch, best=False))
            switch.let_rebalance()
            time.sleep(2)
            after.append(lab.rate(switch, best=False, warm_up=0))
        return {"": sum(after) / sum(before)}


@contextlib.contextmanager
def victim(lab, name, own_worker=False, victims=1000):
    """A switch on which packets go from port 1 to port 2, not yet a turn. own_worker: nobody else is on port 1's worker."""
    devices = one_way(victims)(lab.folder)["devices"]
    with lab.running(name, devices, VICTIM_RULES, own_worker) as switch:
        if own_worker:
            switch.give_own_worker("p0", lab.options.worker_cpu, lab.options.control_cpu)
        yield switch


def beside(lab, name, others, own_worker=False, generator=None):
    """What is left of the rate from port 1 to port 2 of a switch where others = (devices, rules) are, of that
    of the same switch where they are not, in percent, turn by turn. generator: sends through the others."""
    with victim(lab, name, own_worker) as alone:
        turns = {"alone": Turn([alone], lab.meter(alone, [1], lab.options.worker_cpu).window)}
        with victim(lab, name, own_worker) as attacked:
            lab.add(attacked, *others)
            if own_worker:
                attacked.give_own_worker("p0", lab.options.worker_cpu, lab.options.control_cpu)
            parts = [attacked]
            if generator:
                generator.connected()
                generator.begin(1953, 0, 600)
                parts.append(generator)
            time.sleep(2 * lab.options.warm_up)  # the attack has filled what it fills
            turns["beside"] = Turn(parts, lab.meter(attacked, [1], lab.options.worker_cpu).window)
            rates = alternate(turns, lab.options.turns)
    return [100 * less / rate for less, rate in zip(rates["beside"], rates["alone"])]


def attack(kind, own_worker=False, slow=False):
    """What a victim with 1,000 flows keeps, in percent. slow: at 1 Mbit/s instead of line rate."""
    def measure(lab, name):
        frames, rules = ATTACKS[kind]
        path = capture(lab.folder, "attack-" + kind, frames)
        if slow:
            with lab.generator(1, path) as generator:
                others = generator.devices() + [sink_device(3)], rules()
                return {"": beside(lab, name, others, generator=generator)}
        device = replay_device(2, path)
        devices = ([{"underlay": device, "tunnel": traffic.VXLAN}] if rules == overlay_rules
                   else [device, sink_device(3)])
        return {"": beside(lab, name, (devices, rules()), own_worker=own_worker)}
    return measure


def scan(sweep, rules, devices):
    """Flows that work beside a generator that sweeps through headers, each of which it sends once, as
    fast as they are taken. Percent: of the throughput without it, turn by turn; of the victim's packets, those
    that the first cache knew meanwhile: what it did not know, less what was swept. sweep: rules for port 3."""
    def measure(lab, name):
        with lab.generator(1) as generator, lab.running(name, devices(lab.folder), rules()) as alone:
            time.sleep(lab.options.warm_up)
            turns = {"alone": Turn([alone], lab.meter(alone, [1], lab.options.worker_cpu).window)}
            with lab.running(name, devices(lab.folder), rules()) as swept:
                lab.add(swept, generator.devices() + [sink_device(3)], sweep())
                generator.connected()
                meter = lab.meter(swept, [1])
                sent, strangers = meter.telemetry.sent(meter.ports), swept.n_strangers()
                generator.begin(0, 0, 600)
                time.sleep(2 * lab.options.warm_up)
                turns["beside"] = Turn([swept, generator], meter.window)
                rates = alternate(turns, 2 * lab.options.turns)
                turns["beside"].resume()
                n_swept = generator.end(early=True)["sent"]
                strangers = swept.n_strangers() - strangers
                sent = meter.telemetry.sent(meter.ports) - sent
        return {"": [100 * less / rate for less, rate in zip(rates["beside"], rates["alone"])],
                "swept": n_swept / 1e6, "hits": 100 - 100 * max(strangers - n_swept, 0) / sent}
    return measure


def scan_wide():
    """10,000 flows beside a sweep, each of which two cached flows cover: only the first cache tells
    their keys apart. Two, since whole bursts of one would be told without it."""
    def halves(port, out):
        return ["priority=1,in_port=%d,udp,tp_dst=%d/1,actions=output:%d" % (port, i, out) for i in (0, 1)]
    return scan(lambda: halves(3, 4), lambda: halves(1, 2),
                lambda folder: one_way(10000)(folder)["devices"])


def scan_acl():
    """10,000 flows through 1,000 rules of 20 shapes beside a sweep through as many: each header may need
    a cached flow of its own."""
    setup = acl(1000, 10000)

    def of_port(port, out):
        rules, _ = traffic.acl(1000, 1)
        return [rule.replace("udp", "in_port=%d,udp" % port)
                for rule in traffic.acl_text(rules, "output:%d" % out)]
    return scan(lambda: of_port(3, 4) + ["priority=0,in_port=3,actions=output:4"],
                lambda: of_port(1, 2), lambda folder: setup(folder)["devices"])


def churn(measure_rows):
    """What changes of rules leave of the throughput, in percent (bench/churn.py)."""
    def measure(lab, name):
        options = types.SimpleNamespace(flows=10000, rates=[1000, 10000], repeat=3, seconds=0.5)
        rows = measure_rows(lab.make(name), lab.folder, options)
        return {row: 100 * value["kept"] for row, value in rows.items()}
    return measure
