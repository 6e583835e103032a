# SPDX-License-Identifier: Apache-2.0
"""A learning switch on os-ken, to be run by osken-manager with MAX_LEN bytes of each packet: OpenFlow 1.3 by a library that we did not write."""
import os

from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib.packet import ethernet, packet
from os_ken.ofproto import ofproto_v1_3


class LearningSwitch(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ports = {}

    def rule(self, datapath, priority, match, port):
        parser = datapath.ofproto_parser
        acts = [parser.OFPActionOutput(port, int(os.environ["MAX_LEN"]))]
        instructions = [parser.OFPInstructionActions(datapath.ofproto.OFPIT_APPLY_ACTIONS, acts)]
        datapath.send_msg(parser.OFPFlowMod(datapath=datapath, priority=priority, match=match,
                                            instructions=instructions))

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def on_features(self, event):
        datapath = event.msg.datapath
        self.rule(datapath, 0, datapath.ofproto_parser.OFPMatch(), datapath.ofproto.OFPP_CONTROLLER)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def on_packet_in(self, event):
        message, datapath = event.msg, event.msg.datapath
        parser, proto = datapath.ofproto_parser, datapath.ofproto
        frame = packet.Packet(message.data).get_protocol(ethernet.ethernet)
        in_port = message.match["in_port"]
        self.ports[frame.src] = in_port
        out = self.ports.get(frame.dst, proto.OFPP_FLOOD)
        if out != proto.OFPP_FLOOD:
            self.rule(datapath, 1, parser.OFPMatch(in_port=in_port, eth_dst=frame.dst, eth_src=frame.src), out)
        data = message.data if message.buffer_id == proto.OFP_NO_BUFFER else None
        datapath.send_msg(parser.OFPPacketOut(datapath=datapath, buffer_id=message.buffer_id, in_port=in_port,
                                              actions=[parser.OFPActionOutput(out)], data=data))
