"""A small energy system: two homes with a panel each behind a connection, all below one transformer."""

from __future__ import annotations

import base64

XML = """<?xml version="1.0" encoding="UTF-8"?>
<esdl:EnergySystem xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:esdl="http://www.tno.nl/esdl"
    id="town" name="Town">
  <instance xsi:type="esdl:Instance" id="instance">
    <area xsi:type="esdl:Area" id="area" name="Area">
      <asset xsi:type="esdl:Transformer" id="tr" name="Transformer" capacity="100000">
        <port xsi:type="esdl:InPort" id="tr-in"/>
        <port xsi:type="esdl:OutPort" id="tr-out" connectedTo="ec1-in ec2-in"/>
      </asset>
      <asset xsi:type="esdl:Building" id="home1" name="Home 1">
        <geometry xsi:type="esdl:Point" lat="52.1" lon="5.2"/>
        <asset xsi:type="esdl:EConnection" id="ec1" name="Connection 1">
          <port xsi:type="esdl:InPort" id="ec1-in" connectedTo="tr-out"/>
          <port xsi:type="esdl:OutPort" id="ec1-out"/>
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="pv1" name="Panel 1" panelEfficiency="0.2">
          <geometry xsi:type="esdl:Point" lat="10.0" lon="20.0" CRS="Simple"/>
          <port xsi:type="esdl:OutPort" id="pv1-out" connectedTo="ec1-out"/>
        </asset>
      </asset>
      <asset xsi:type="esdl:Building" id="home2" name="Home 2">
        <asset xsi:type="esdl:EConnection" id="ec2" name="Connection 2">
          <port xsi:type="esdl:InPort" id="ec2-in"/>
          <port xsi:type="esdl:OutPort" id="ec2-out"/>
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="pv2" name="Panel 2">
          <port xsi:type="esdl:OutPort" id="pv2-out" connectedTo="ec2-out"/>
        </asset>
      </asset>
    </area>
  </instance>
</esdl:EnergySystem>
"""
BASE64 = base64.b64encode(XML.encode()).decode().rstrip("=")
