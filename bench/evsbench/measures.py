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


def throughput(setup):
    """Packets a second of all ports, best window; for switches that take turns."""
    @contextlib.contextmanager
    def opened(lab, name):
        s = setup(lab.folder)
        with lab.running(name, s["devices"], s["rules"]) as switch:
            time.sleep(lab.options.warm_up)

            def take():
                rate = lab.rate(switch, warm_up=0)
                if lab.options.show_worker and hasattr(switch, "worker_show"):
                    print(switch.worker_show())
                return {"": rate / 1e6}
            yield [switch], take
    return opened


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


TRIAL_S = 0.2


def trials(generator, rate, n=8):
    """Short runs: what others do to the machine in one is over in the next."""
    return (generator.run(rate, 1000, TRIAL_S) for _ in range(n))


def is_whole(run, rate):
    """Was the rate reached, and less than one packet in a thousand lost?"""
    return run["received"] >= 0.999 * run["sent"] and run["pps"] >= 0.95 * rate


def holds(generator, rate):
    """Is a quarter of the trials whole? Time that others take from switch or generator only ever makes
    more be lost."""
    good = 0
    for run in trials(generator, rate):
        good += is_whole(run, rate)
        if good == 2:
            return True
    return False


def no_drop_rate(generator):
    """Packets a second, by bisection; the first bound is twice what passes when far more is sent."""
    low, high = 0, 2 * max(run["received"] for run in trials(generator, 0)) / TRIAL_S
    for _ in range(7):
        rate = (low + high) / 2
        if holds(generator, rate):
            low = rate
        else:
            high = rate
    return low


def latency(lab, name):
    """Through two vhost ports and back to the generator, 1,000 flows: the no-drop rate; then the quantiles
    of the time a packet takes, that of the best quarter of the whole trials, at parts of that rate. The
    rate of the switch that comes first is the one for all: latencies compare at equal rates only."""
    result = {}
    with lab.generator(2) as generator:
        rules = [rule.replace("in_port=2", "in_port=2,udp") for rule in FORWARD]
        with lab.running(name, generator.devices(), rules):
            generator.connected()
            generator.run(0, 1000, 1)
            best = no_drop_rate(generator)
            result["no-drop"] = best / 1e6
            if name != "limit":
                lab.latency_rate = getattr(lab, "latency_rate", 0) or best
            if best == 0:
                return result
            for part in (10, 50, 90):
                rate = getattr(lab, "latency_rate", best) * part / 100
                runs = [run for run in trials(generator, rate) if is_whole(run, rate)]
                if len(runs) < 2:
                    continue
                for quantile in ("p50", "p99", "p999"):
                    times = sorted(run[quantile + "_us"] for run in runs)
                    result["%d%%-%s" % (part, quantile)] = times[len(times) // 4]
    return result


def idle(lab, name):
    """A worker without traffic: part of its CPU in percent, how long the first packets of a pause take
    in microseconds, how many of a burst after a pause are lost."""
    with lab.generator(2) as generator:
        rules = [rule.replace("in_port=2", "in_port=2,udp") for rule in FORWARD]
        with lab.running(name, generator.devices(), rules) as switch:
            generator.connected()
            generator.run(1000, 16, 0.5)
            time.sleep(0.5)
            worker = switch.worker_run_time()
            before, start = proc.run_time(worker), time.monotonic()
            time.sleep(max(lab.options.seconds, 2))
            cost = (proc.run_time(worker) - before) / (time.monotonic() - start)
            soon, late = generator.run(40, 16, 2), generator.run(5, 16, 3)
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
    """1,000 flows each way, in turns all on one worker, and on two; best windows of all turns."""
    path = one_way(1000)(lab.folder)["devices"][0].split("rx_pcap=")[1].split(",")[0]
    devices = [replay_device(i, path) for i in range(2)]
    with lab.running(name, devices, FORWARD, two_workers=True) as switch:
        one = two = 0
        for _ in range(4):
            switch.skew(lab.options.worker_cpu)
            one = max(one, lab.rate(switch))
            switch.give_own_worker("p0", lab.options.worker_cpu, lab.options.control_cpu)
            two = max(two, lab.rate(switch))
        return {"": two / one}


def rebalance(lab, name):
    """Two busy queues on one worker while the other has none; then the switch may move them."""
    devices = [null_device(i) for i in range(2)]
    with lab.running(name, devices, FORWARD, two_workers=True) as switch:
        switch.skew(lab.options.worker_cpu)
        before = lab.rate(switch)
        switch.let_rebalance()
        time.sleep(2)
        return {"": lab.rate(switch) / before}


def beside(lab, name, others, victims=1000, own_worker=False, generator=None):
    """What is left of the rate from port 1 to port 2 when others = (devices, rules) come to the switch,
    in percent. own_worker: nobody else is on port 1's worker; generator: sends through the others."""
    def own():
        if own_worker:
            switch.give_own_worker("p0", lab.options.worker_cpu, lab.options.control_cpu)

    devices = one_way(victims)(lab.folder)["devices"]
    with lab.running(name, devices, VICTIM_RULES, own_worker) as switch:
        own()
        alone = lab.rate(switch, ports=[1], best=False)
        lab.add(switch, *others)
        own()
        if generator:
            generator.connected()
            generator.begin(1953, 0, lab.options.seconds + lab.options.warm_up + 1)
        rate = lab.rate(switch, ports=[1], best=False)
        if generator:
            generator.end()
        return 100 * rate / alone


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
    fast as they are taken. Percent: of the throughput without it; of the victim's packets, those that
    the first cache knew meanwhile: what it did not know, less what was swept. sweep: rules for port 3."""
    def measure(lab, name):
        with lab.generator(1) as generator:
            with lab.running(name, devices(lab.folder), rules()) as switch:
                alone = lab.rate(switch, ports=[1], best=False)
                lab.add(switch, generator.devices() + [sink_device(3)], sweep())
                generator.connected()
                telemetry = switch.telemetry()
                victim = [telemetry.ethdevs()[1]]
                victims, strangers = telemetry.sent(victim), switch.n_strangers()
                generator.begin(0, 0, lab.options.seconds + 3 * lab.options.warm_up)
                rate = lab.rate(switch, ports=[1], best=False, warm_up=2 * lab.options.warm_up)
                swept = generator.end()["sent"]
                strangers = switch.n_strangers() - strangers
                victims = telemetry.sent(victim) - victims
                telemetry.close()
                return {"": 100 * rate / alone, "swept": swept / 1e6,
                        "hits": 100 - 100 * max(strangers - swept, 0) / victims}
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
