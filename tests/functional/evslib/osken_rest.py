# SPDX-License-Identifier: Apache-2.0
"""os-ken's OpenFlow 1.3 functions for REST applications (os_ken.lib.ofctl_v1_3) over HTTP, to be run by osken-manager:
POST /NAME with a JSON list of arguments calls NAME(datapath, ..., *arguments).

Debian's package has that library, but not the application ofctl_rest that stands on it."""
import json
import os

import eventlet
from eventlet import wsgi
from os_ken.base import app_manager
from os_ken.controller import dpset, ofp_event
from os_ken.controller.handler import MAIN_DISPATCHER, set_ev_cls
from os_ken.lib import hub, ofctl_utils, ofctl_v1_3
from os_ken.ofproto import ofproto_v1_3

REPLIES = [getattr(ofp_event, f"EventOFP{name}") for name in (
    "AggregateStatsReply", "DescStatsReply", "FlowStatsReply", "GroupDescStatsReply", "GroupFeaturesStatsReply",
    "GroupStatsReply", "MeterConfigStatsReply", "MeterFeaturesStatsReply", "MeterStatsReply", "PortDescStatsReply",
    "PortStatsReply", "QueueGetConfigReply", "QueueStatsReply", "RoleReply", "TableFeaturesStatsReply",
    "TableStatsReply")]
ofctl_utils.DEFAULT_TIMEOUT = 30.0


class Rest(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]
    _CONTEXTS = {"dpset": dpset.DPSet}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.dpset, self.waiters, self.errors = kwargs["dpset"], {}, []
        server = eventlet.listen(("127.0.0.1", int(os.environ["REST_PORT"])))
        hub.spawn(wsgi.server, server, self.serve)

    @set_ev_cls(REPLIES, MAIN_DISPATCHER)
    def on_reply(self, event):
        lock, messages = self.waiters.get(event.msg.datapath.id, {}).get(event.msg.xid, (None, None))
        if lock is None:
            return
        messages.append(event.msg)
        if not getattr(event.msg, "flags", 0) & event.msg.datapath.ofproto.OFPMPF_REPLY_MORE:
            lock.set()

    @set_ev_cls(ofp_event.EventOFPErrorMsg, MAIN_DISPATCHER)
    def on_error(self, event):
        self.errors.append([event.msg.type, event.msg.code])

    def serve(self, environ, start):
        name = environ["PATH_INFO"].strip("/")
        arguments = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"[]")
        datapaths = [datapath for _, datapath in self.dpset.get_all()]
        if not datapaths:
            start("503 No switch", [])
            return [b""]
        if name == "errors":
            result, self.errors = self.errors, []
        else:
            waiters = [self.waiters] if name.startswith("get_") else []
            result = getattr(ofctl_v1_3, name)(datapaths[0], *waiters, *arguments)
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(result).encode()]
