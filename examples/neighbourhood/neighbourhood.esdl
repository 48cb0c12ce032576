<?xml version='1.0' encoding='UTF-8'?>
<esdl:EnergySystem xmlns:esdl="http://www.tno.nl/esdl" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" id="neighbourhood" name="Neighbourhood" esdlVersion="v2401">
  <energySystemInformation xsi:type="esdl:EnergySystemInformation" id="information">
    <carriers xsi:type="esdl:Carriers" id="carriers">
      <carrier xsi:type="esdl:ElectricityCommodity" id="electricity" name="Electricity" />
    </carriers>
  </energySystemInformation>
  <instance xsi:type="esdl:Instance" id="instance" name="Today">
    <area xsi:type="esdl:Area" id="street" name="Sunny Street">
      <asset xsi:type="esdl:ElectricityNetwork" id="grid" name="Medium-voltage grid" voltage="10000.0">
        <port xsi:type="esdl:OutPort" id="port-1" name="Out" carrier="electricity" connectedTo="port-2" />
      </asset>
      <asset xsi:type="esdl:Transformer" id="transformer" name="Transformer" capacity="63000.0" voltagePrimary="10.0" voltageSecundary="0.4">
        <port xsi:type="esdl:InPort" id="port-2" name="In" carrier="electricity" connectedTo="port-1" />
        <port xsi:type="esdl:OutPort" id="port-3" name="Out" carrier="electricity" connectedTo="port-4 port-13 port-20 port-29 port-34 port-42 port-51 port-59 port-64 port-73 port-80 port-88 port-94 port-103 port-110 port-119 port-124 port-132 port-141 port-149 port-154 port-163 port-170 port-178" />
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-01-cable" name="Cable 1" length="35.0">
        <port xsi:type="esdl:InPort" id="port-4" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-5" name="Out" carrier="electricity" connectedTo="port-6" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-01" name="Home 1">
        <geometry xsi:type="esdl:Point" lat="52.090900" lon="5.121700" />
        <asset xsi:type="esdl:EConnection" id="home-01-connection" name="Connection 1">
          <port xsi:type="esdl:InPort" id="port-6" name="In" carrier="electricity" connectedTo="port-5" />
          <port xsi:type="esdl:OutPort" id="port-7" name="Out" carrier="electricity" connectedTo="port-8 port-11 port-12" />
          <port xsi:type="esdl:InPort" id="port-10" name="In" carrier="electricity" connectedTo="port-9" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-01-demand" name="Household 1" power="393.8">
          <port xsi:type="esdl:InPort" id="port-8" name="In" carrier="electricity" connectedTo="port-7" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-01-pv" name="Panels 1" panelEfficiency="0.2" surfaceArea="19" angle="35" orientation="180">
          <port xsi:type="esdl:OutPort" id="port-9" name="Out" carrier="electricity" connectedTo="port-10" />
        </asset>
        <asset xsi:type="esdl:EVChargingStation" id="home-01-charger" name="Charger 1" power="7400.0">
          <port xsi:type="esdl:InPort" id="port-11" name="In" carrier="electricity" connectedTo="port-7" />
        </asset>
        <asset xsi:type="esdl:Battery" id="home-01-battery" name="Battery 1" fillLevel="0.3" capacity="21600000.0" maxChargeRate="2500.0" maxDischargeRate="2500.0" chargeEfficiency="0.95" dischargeEfficiency="0.95">
          <port xsi:type="esdl:InPort" id="port-12" name="In" carrier="electricity" connectedTo="port-7" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-02-cable" name="Cable 2" length="50.0">
        <port xsi:type="esdl:InPort" id="port-13" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-14" name="Out" carrier="electricity" connectedTo="port-15" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-02" name="Home 2">
        <geometry xsi:type="esdl:Point" lat="52.091100" lon="5.121400" />
        <asset xsi:type="esdl:EConnection" id="home-02-connection" name="Connection 2">
          <port xsi:type="esdl:InPort" id="port-15" name="In" carrier="electricity" connectedTo="port-14" />
          <port xsi:type="esdl:OutPort" id="port-16" name="Out" carrier="electricity" connectedTo="port-17" />
          <port xsi:type="esdl:InPort" id="port-19" name="In" carrier="electricity" connectedTo="port-18" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-02-demand" name="Household 2" power="513.7">
          <port xsi:type="esdl:InPort" id="port-17" name="In" carrier="electricity" connectedTo="port-16" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-02-pv" name="Panels 2" panelEfficiency="0.2" surfaceArea="24" angle="35" orientation="210">
          <port xsi:type="esdl:OutPort" id="port-18" name="Out" carrier="electricity" connectedTo="port-19" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-03-cable" name="Cable 3" length="65.0">
        <port xsi:type="esdl:InPort" id="port-20" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-21" name="Out" carrier="electricity" connectedTo="port-22" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-03" name="Home 3">
        <geometry xsi:type="esdl:Point" lat="52.091300" lon="5.121700" />
        <asset xsi:type="esdl:EConnection" id="home-03-connection" name="Connection 3">
          <port xsi:type="esdl:InPort" id="port-22" name="In" carrier="electricity" connectedTo="port-21" />
          <port xsi:type="esdl:OutPort" id="port-23" name="Out" carrier="electricity" connectedTo="port-24 port-27 port-28" />
          <port xsi:type="esdl:InPort" id="port-26" name="In" carrier="electricity" connectedTo="port-25" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-03-demand" name="Household 3" power="633.6">
          <port xsi:type="esdl:InPort" id="port-24" name="In" carrier="electricity" connectedTo="port-23" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-03-pv" name="Panels 3" panelEfficiency="0.2" surfaceArea="17" angle="35" orientation="150">
          <port xsi:type="esdl:OutPort" id="port-25" name="Out" carrier="electricity" connectedTo="port-26" />
        </asset>
        <asset xsi:type="esdl:HeatPump" id="home-03-heat-pump" name="Heat pump 3" power="6000.0">
          <port xsi:type="esdl:InPort" id="port-27" name="In" carrier="electricity" connectedTo="port-23" />
        </asset>
        <asset xsi:type="esdl:Battery" id="home-03-battery" name="Battery 3" fillLevel="0.3" capacity="28800000.0" maxChargeRate="2500.0" maxDischargeRate="2500.0" chargeEfficiency="0.95" dischargeEfficiency="0.95">
          <port xsi:type="esdl:InPort" id="port-28" name="In" carrier="electricity" connectedTo="port-23" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-04-cable" name="Cable 4" length="80.0">
        <port xsi:type="esdl:InPort" id="port-29" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-30" name="Out" carrier="electricity" connectedTo="port-31" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-04" name="Home 4">
        <geometry xsi:type="esdl:Point" lat="52.091500" lon="5.121400" />
        <asset xsi:type="esdl:EConnection" id="home-04-connection" name="Connection 4">
          <port xsi:type="esdl:InPort" id="port-31" name="In" carrier="electricity" connectedTo="port-30" />
          <port xsi:type="esdl:OutPort" id="port-32" name="Out" carrier="electricity" connectedTo="port-33" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-04-demand" name="Household 4" power="342.5">
          <port xsi:type="esdl:InPort" id="port-33" name="In" carrier="electricity" connectedTo="port-32" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-05-cable" name="Cable 5" length="95.0">
        <port xsi:type="esdl:InPort" id="port-34" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-35" name="Out" carrier="electricity" connectedTo="port-36" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-05" name="Home 5">
        <geometry xsi:type="esdl:Point" lat="52.091700" lon="5.121700" />
        <asset xsi:type="esdl:EConnection" id="home-05-connection" name="Connection 5">
          <port xsi:type="esdl:InPort" id="port-36" name="In" carrier="electricity" connectedTo="port-35" />
          <port xsi:type="esdl:OutPort" id="port-37" name="Out" carrier="electricity" connectedTo="port-38 port-41" />
          <port xsi:type="esdl:InPort" id="port-40" name="In" carrier="electricity" connectedTo="port-39" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-05-demand" name="Household 5" power="462.3">
          <port xsi:type="esdl:InPort" id="port-38" name="In" carrier="electricity" connectedTo="port-37" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-05-pv" name="Panels 5" panelEfficiency="0.2" surfaceArea="15" angle="35" orientation="210">
          <port xsi:type="esdl:OutPort" id="port-39" name="Out" carrier="electricity" connectedTo="port-40" />
        </asset>
        <asset xsi:type="esdl:EVChargingStation" id="home-05-charger" name="Charger 5" power="7400.0">
          <port xsi:type="esdl:InPort" id="port-41" name="In" carrier="electricity" connectedTo="port-37" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-06-cable" name="Cable 6" length="110.0">
        <port xsi:type="esdl:InPort" id="port-42" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-43" name="Out" carrier="electricity" connectedTo="port-44" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-06" name="Home 6">
        <geometry xsi:type="esdl:Point" lat="52.091900" lon="5.121400" />
        <asset xsi:type="esdl:EConnection" id="home-06-connection" name="Connection 6">
          <port xsi:type="esdl:InPort" id="port-44" name="In" carrier="electricity" connectedTo="port-43" />
          <port xsi:type="esdl:OutPort" id="port-45" name="Out" carrier="electricity" connectedTo="port-46 port-49 port-50" />
          <port xsi:type="esdl:InPort" id="port-48" name="In" carrier="electricity" connectedTo="port-47" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-06-demand" name="Household 6" power="582.2">
          <port xsi:type="esdl:InPort" id="port-46" name="In" carrier="electricity" connectedTo="port-45" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-06-pv" name="Panels 6" panelEfficiency="0.2" surfaceArea="20" angle="35" orientation="150">
          <port xsi:type="esdl:OutPort" id="port-47" name="Out" carrier="electricity" connectedTo="port-48" />
        </asset>
        <asset xsi:type="esdl:HeatPump" id="home-06-heat-pump" name="Heat pump 6" power="6000.0">
          <port xsi:type="esdl:InPort" id="port-49" name="In" carrier="electricity" connectedTo="port-45" />
        </asset>
        <asset xsi:type="esdl:Battery" id="home-06-battery" name="Battery 6" fillLevel="0.3" capacity="25200000.0" maxChargeRate="2500.0" maxDischargeRate="2500.0" chargeEfficiency="0.95" dischargeEfficiency="0.95">
          <port xsi:type="esdl:InPort" id="port-50" name="In" carrier="electricity" connectedTo="port-45" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-07-cable" name="Cable 7" length="125.0">
        <port xsi:type="esdl:InPort" id="port-51" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-52" name="Out" carrier="electricity" connectedTo="port-53" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-07" name="Home 7">
        <geometry xsi:type="esdl:Point" lat="52.092100" lon="5.121700" />
        <asset xsi:type="esdl:EConnection" id="home-07-connection" name="Connection 7">
          <port xsi:type="esdl:InPort" id="port-53" name="In" carrier="electricity" connectedTo="port-52" />
          <port xsi:type="esdl:OutPort" id="port-54" name="Out" carrier="electricity" connectedTo="port-55 port-58" />
          <port xsi:type="esdl:InPort" id="port-57" name="In" carrier="electricity" connectedTo="port-56" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-07-demand" name="Household 7" power="291.1">
          <port xsi:type="esdl:InPort" id="port-55" name="In" carrier="electricity" connectedTo="port-54" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-07-pv" name="Panels 7" panelEfficiency="0.2" surfaceArea="25" angle="35" orientation="180">
          <port xsi:type="esdl:OutPort" id="port-56" name="Out" carrier="electricity" connectedTo="port-57" />
        </asset>
        <asset xsi:type="esdl:Battery" id="home-07-battery" name="Battery 7" fillLevel="0.3" capacity="28800000.0" maxChargeRate="2500.0" maxDischargeRate="2500.0" chargeEfficiency="0.95" dischargeEfficiency="0.95">
          <port xsi:type="esdl:InPort" id="port-58" name="In" carrier="electricity" connectedTo="port-54" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-08-cable" name="Cable 8" length="140.0">
        <port xsi:type="esdl:InPort" id="port-59" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-60" name="Out" carrier="electricity" connectedTo="port-61" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-08" name="Home 8">
        <geometry xsi:type="esdl:Point" lat="52.092300" lon="5.121400" />
        <asset xsi:type="esdl:EConnection" id="home-08-connection" name="Connection 8">
          <port xsi:type="esdl:InPort" id="port-61" name="In" carrier="electricity" connectedTo="port-60" />
          <port xsi:type="esdl:OutPort" id="port-62" name="Out" carrier="electricity" connectedTo="port-63" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-08-demand" name="Household 8" power="411.0">
          <port xsi:type="esdl:InPort" id="port-63" name="In" carrier="electricity" connectedTo="port-62" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-09-cable" name="Cable 9" length="155.0">
        <port xsi:type="esdl:InPort" id="port-64" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-65" name="Out" carrier="electricity" connectedTo="port-66" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-09" name="Home 9">
        <geometry xsi:type="esdl:Point" lat="52.092500" lon="5.121700" />
        <asset xsi:type="esdl:EConnection" id="home-09-connection" name="Connection 9">
          <port xsi:type="esdl:InPort" id="port-66" name="In" carrier="electricity" connectedTo="port-65" />
          <port xsi:type="esdl:OutPort" id="port-67" name="Out" carrier="electricity" connectedTo="port-68 port-71 port-72" />
          <port xsi:type="esdl:InPort" id="port-70" name="In" carrier="electricity" connectedTo="port-69" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-09-demand" name="Household 9" power="530.8">
          <port xsi:type="esdl:InPort" id="port-68" name="In" carrier="electricity" connectedTo="port-67" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-09-pv" name="Panels 9" panelEfficiency="0.2" surfaceArea="23" angle="35" orientation="150">
          <port xsi:type="esdl:OutPort" id="port-69" name="Out" carrier="electricity" connectedTo="port-70" />
        </asset>
        <asset xsi:type="esdl:HeatPump" id="home-09-heat-pump" name="Heat pump 9" power="6000.0">
          <port xsi:type="esdl:InPort" id="port-71" name="In" carrier="electricity" connectedTo="port-67" />
        </asset>
        <asset xsi:type="esdl:EVChargingStation" id="home-09-charger" name="Charger 9" power="7400.0">
          <port xsi:type="esdl:InPort" id="port-72" name="In" carrier="electricity" connectedTo="port-67" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-10-cable" name="Cable 10" length="170.0">
        <port xsi:type="esdl:InPort" id="port-73" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-74" name="Out" carrier="electricity" connectedTo="port-75" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-10" name="Home 10">
        <geometry xsi:type="esdl:Point" lat="52.092700" lon="5.121400" />
        <asset xsi:type="esdl:EConnection" id="home-10-connection" name="Connection 10">
          <port xsi:type="esdl:InPort" id="port-75" name="In" carrier="electricity" connectedTo="port-74" />
          <port xsi:type="esdl:OutPort" id="port-76" name="Out" carrier="electricity" connectedTo="port-77" />
          <port xsi:type="esdl:InPort" id="port-79" name="In" carrier="electricity" connectedTo="port-78" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-10-demand" name="Household 10" power="650.7">
          <port xsi:type="esdl:InPort" id="port-77" name="In" carrier="electricity" connectedTo="port-76" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-10-pv" name="Panels 10" panelEfficiency="0.2" surfaceArea="16" angle="35" orientation="180">
          <port xsi:type="esdl:OutPort" id="port-78" name="Out" carrier="electricity" connectedTo="port-79" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-11-cable" name="Cable 11" length="185.0">
        <port xsi:type="esdl:InPort" id="port-80" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-81" name="Out" carrier="electricity" connectedTo="port-82" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-11" name="Home 11">
        <geometry xsi:type="esdl:Point" lat="52.092900" lon="5.121700" />
        <asset xsi:type="esdl:EConnection" id="home-11-connection" name="Connection 11">
          <port xsi:type="esdl:InPort" id="port-82" name="In" carrier="electricity" connectedTo="port-81" />
          <port xsi:type="esdl:OutPort" id="port-83" name="Out" carrier="electricity" connectedTo="port-84 port-87" />
          <port xsi:type="esdl:InPort" id="port-86" name="In" carrier="electricity" connectedTo="port-85" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-11-demand" name="Household 11" power="359.6">
          <port xsi:type="esdl:InPort" id="port-84" name="In" carrier="electricity" connectedTo="port-83" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-11-pv" name="Panels 11" panelEfficiency="0.2" surfaceArea="21" angle="35" orientation="210">
          <port xsi:type="esdl:OutPort" id="port-85" name="Out" carrier="electricity" connectedTo="port-86" />
        </asset>
        <asset xsi:type="esdl:Battery" id="home-11-battery" name="Battery 11" fillLevel="0.3" capacity="28800000.0" maxChargeRate="2500.0" maxDischargeRate="2500.0" chargeEfficiency="0.95" dischargeEfficiency="0.95">
          <port xsi:type="esdl:InPort" id="port-87" name="In" carrier="electricity" connectedTo="port-83" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-12-cable" name="Cable 12" length="200.0">
        <port xsi:type="esdl:InPort" id="port-88" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-89" name="Out" carrier="electricity" connectedTo="port-90" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-12" name="Home 12">
        <geometry xsi:type="esdl:Point" lat="52.093100" lon="5.121400" />
        <asset xsi:type="esdl:EConnection" id="home-12-connection" name="Connection 12">
          <port xsi:type="esdl:InPort" id="port-90" name="In" carrier="electricity" connectedTo="port-89" />
          <port xsi:type="esdl:OutPort" id="port-91" name="Out" carrier="electricity" connectedTo="port-92 port-93" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-12-demand" name="Household 12" power="479.5">
          <port xsi:type="esdl:InPort" id="port-92" name="In" carrier="electricity" connectedTo="port-91" />
        </asset>
        <asset xsi:type="esdl:HeatPump" id="home-12-heat-pump" name="Heat pump 12" power="6000.0">
          <port xsi:type="esdl:InPort" id="port-93" name="In" carrier="electricity" connectedTo="port-91" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-13-cable" name="Cable 13" length="215.0">
        <port xsi:type="esdl:InPort" id="port-94" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-95" name="Out" carrier="electricity" connectedTo="port-96" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-13" name="Home 13">
        <geometry xsi:type="esdl:Point" lat="52.093300" lon="5.121700" />
        <asset xsi:type="esdl:EConnection" id="home-13-connection" name="Connection 13">
          <port xsi:type="esdl:InPort" id="port-96" name="In" carrier="electricity" connectedTo="port-95" />
          <port xsi:type="esdl:OutPort" id="port-97" name="Out" carrier="electricity" connectedTo="port-98 port-101 port-102" />
          <port xsi:type="esdl:InPort" id="port-100" name="In" carrier="electricity" connectedTo="port-99" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-13-demand" name="Household 13" power="599.3">
          <port xsi:type="esdl:InPort" id="port-98" name="In" carrier="electricity" connectedTo="port-97" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-13-pv" name="Panels 13" panelEfficiency="0.2" surfaceArea="19" angle="35" orientation="180">
          <port xsi:type="esdl:OutPort" id="port-99" name="Out" carrier="electricity" connectedTo="port-100" />
        </asset>
        <asset xsi:type="esdl:EVChargingStation" id="home-13-charger" name="Charger 13" power="7400.0">
          <port xsi:type="esdl:InPort" id="port-101" name="In" carrier="electricity" connectedTo="port-97" />
        </asset>
        <asset xsi:type="esdl:Battery" id="home-13-battery" name="Battery 13" fillLevel="0.3" capacity="21600000.0" maxChargeRate="2500.0" maxDischargeRate="2500.0" chargeEfficiency="0.95" dischargeEfficiency="0.95">
          <port xsi:type="esdl:InPort" id="port-102" name="In" carrier="electricity" connectedTo="port-97" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-14-cable" name="Cable 14" length="230.0">
        <port xsi:type="esdl:InPort" id="port-103" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-104" name="Out" carrier="electricity" connectedTo="port-105" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-14" name="Home 14">
        <geometry xsi:type="esdl:Point" lat="52.093500" lon="5.121400" />
        <asset xsi:type="esdl:EConnection" id="home-14-connection" name="Connection 14">
          <port xsi:type="esdl:InPort" id="port-105" name="In" carrier="electricity" connectedTo="port-104" />
          <port xsi:type="esdl:OutPort" id="port-106" name="Out" carrier="electricity" connectedTo="port-107" />
          <port xsi:type="esdl:InPort" id="port-109" name="In" carrier="electricity" connectedTo="port-108" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-14-demand" name="Household 14" power="308.2">
          <port xsi:type="esdl:InPort" id="port-107" name="In" carrier="electricity" connectedTo="port-106" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-14-pv" name="Panels 14" panelEfficiency="0.2" surfaceArea="24" angle="35" orientation="210">
          <port xsi:type="esdl:OutPort" id="port-108" name="Out" carrier="electricity" connectedTo="port-109" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-15-cable" name="Cable 15" length="245.0">
        <port xsi:type="esdl:InPort" id="port-110" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-111" name="Out" carrier="electricity" connectedTo="port-112" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-15" name="Home 15">
        <geometry xsi:type="esdl:Point" lat="52.093700" lon="5.121700" />
        <asset xsi:type="esdl:EConnection" id="home-15-connection" name="Connection 15">
          <port xsi:type="esdl:InPort" id="port-112" name="In" carrier="electricity" connectedTo="port-111" />
          <port xsi:type="esdl:OutPort" id="port-113" name="Out" carrier="electricity" connectedTo="port-114 port-117 port-118" />
          <port xsi:type="esdl:InPort" id="port-116" name="In" carrier="electricity" connectedTo="port-115" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-15-demand" name="Household 15" power="428.1">
          <port xsi:type="esdl:InPort" id="port-114" name="In" carrier="electricity" connectedTo="port-113" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-15-pv" name="Panels 15" panelEfficiency="0.2" surfaceArea="17" angle="35" orientation="150">
          <port xsi:type="esdl:OutPort" id="port-115" name="Out" carrier="electricity" connectedTo="port-116" />
        </asset>
        <asset xsi:type="esdl:HeatPump" id="home-15-heat-pump" name="Heat pump 15" power="6000.0">
          <port xsi:type="esdl:InPort" id="port-117" name="In" carrier="electricity" connectedTo="port-113" />
        </asset>
        <asset xsi:type="esdl:Battery" id="home-15-battery" name="Battery 15" fillLevel="0.3" capacity="28800000.0" maxChargeRate="2500.0" maxDischargeRate="2500.0" chargeEfficiency="0.95" dischargeEfficiency="0.95">
          <port xsi:type="esdl:InPort" id="port-118" name="In" carrier="electricity" connectedTo="port-113" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-16-cable" name="Cable 16" length="260.0">
        <port xsi:type="esdl:InPort" id="port-119" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-120" name="Out" carrier="electricity" connectedTo="port-121" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-16" name="Home 16">
        <geometry xsi:type="esdl:Point" lat="52.093900" lon="5.121400" />
        <asset xsi:type="esdl:EConnection" id="home-16-connection" name="Connection 16">
          <port xsi:type="esdl:InPort" id="port-121" name="In" carrier="electricity" connectedTo="port-120" />
          <port xsi:type="esdl:OutPort" id="port-122" name="Out" carrier="electricity" connectedTo="port-123" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-16-demand" name="Household 16" power="547.9">
          <port xsi:type="esdl:InPort" id="port-123" name="In" carrier="electricity" connectedTo="port-122" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-17-cable" name="Cable 17" length="275.0">
        <port xsi:type="esdl:InPort" id="port-124" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-125" name="Out" carrier="electricity" connectedTo="port-126" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-17" name="Home 17">
        <geometry xsi:type="esdl:Point" lat="52.094100" lon="5.121700" />
        <asset xsi:type="esdl:EConnection" id="home-17-connection" name="Connection 17">
          <port xsi:type="esdl:InPort" id="port-126" name="In" carrier="electricity" connectedTo="port-125" />
          <port xsi:type="esdl:OutPort" id="port-127" name="Out" carrier="electricity" connectedTo="port-128 port-131" />
          <port xsi:type="esdl:InPort" id="port-130" name="In" carrier="electricity" connectedTo="port-129" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-17-demand" name="Household 17" power="667.8">
          <port xsi:type="esdl:InPort" id="port-128" name="In" carrier="electricity" connectedTo="port-127" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-17-pv" name="Panels 17" panelEfficiency="0.2" surfaceArea="15" angle="35" orientation="210">
          <port xsi:type="esdl:OutPort" id="port-129" name="Out" carrier="electricity" connectedTo="port-130" />
        </asset>
        <asset xsi:type="esdl:EVChargingStation" id="home-17-charger" name="Charger 17" power="7400.0">
          <port xsi:type="esdl:InPort" id="port-131" name="In" carrier="electricity" connectedTo="port-127" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-18-cable" name="Cable 18" length="290.0">
        <port xsi:type="esdl:InPort" id="port-132" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-133" name="Out" carrier="electricity" connectedTo="port-134" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-18" name="Home 18">
        <geometry xsi:type="esdl:Point" lat="52.094300" lon="5.121400" />
        <asset xsi:type="esdl:EConnection" id="home-18-connection" name="Connection 18">
          <port xsi:type="esdl:InPort" id="port-134" name="In" carrier="electricity" connectedTo="port-133" />
          <port xsi:type="esdl:OutPort" id="port-135" name="Out" carrier="electricity" connectedTo="port-136 port-139 port-140" />
          <port xsi:type="esdl:InPort" id="port-138" name="In" carrier="electricity" connectedTo="port-137" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-18-demand" name="Household 18" power="376.7">
          <port xsi:type="esdl:InPort" id="port-136" name="In" carrier="electricity" connectedTo="port-135" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-18-pv" name="Panels 18" panelEfficiency="0.2" surfaceArea="20" angle="35" orientation="150">
          <port xsi:type="esdl:OutPort" id="port-137" name="Out" carrier="electricity" connectedTo="port-138" />
        </asset>
        <asset xsi:type="esdl:HeatPump" id="home-18-heat-pump" name="Heat pump 18" power="6000.0">
          <port xsi:type="esdl:InPort" id="port-139" name="In" carrier="electricity" connectedTo="port-135" />
        </asset>
        <asset xsi:type="esdl:Battery" id="home-18-battery" name="Battery 18" fillLevel="0.3" capacity="25200000.0" maxChargeRate="2500.0" maxDischargeRate="2500.0" chargeEfficiency="0.95" dischargeEfficiency="0.95">
          <port xsi:type="esdl:InPort" id="port-140" name="In" carrier="electricity" connectedTo="port-135" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-19-cable" name="Cable 19" length="305.0">
        <port xsi:type="esdl:InPort" id="port-141" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-142" name="Out" carrier="electricity" connectedTo="port-143" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-19" name="Home 19">
        <geometry xsi:type="esdl:Point" lat="52.094500" lon="5.121700" />
        <asset xsi:type="esdl:EConnection" id="home-19-connection" name="Connection 19">
          <port xsi:type="esdl:InPort" id="port-143" name="In" carrier="electricity" connectedTo="port-142" />
          <port xsi:type="esdl:OutPort" id="port-144" name="Out" carrier="electricity" connectedTo="port-145 port-148" />
          <port xsi:type="esdl:InPort" id="port-147" name="In" carrier="electricity" connectedTo="port-146" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-19-demand" name="Household 19" power="496.6">
          <port xsi:type="esdl:InPort" id="port-145" name="In" carrier="electricity" connectedTo="port-144" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-19-pv" name="Panels 19" panelEfficiency="0.2" surfaceArea="25" angle="35" orientation="180">
          <port xsi:type="esdl:OutPort" id="port-146" name="Out" carrier="electricity" connectedTo="port-147" />
        </asset>
        <asset xsi:type="esdl:Battery" id="home-19-battery" name="Battery 19" fillLevel="0.3" capacity="28800000.0" maxChargeRate="2500.0" maxDischargeRate="2500.0" chargeEfficiency="0.95" dischargeEfficiency="0.95">
          <port xsi:type="esdl:InPort" id="port-148" name="In" carrier="electricity" connectedTo="port-144" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-20-cable" name="Cable 20" length="320.0">
        <port xsi:type="esdl:InPort" id="port-149" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-150" name="Out" carrier="electricity" connectedTo="port-151" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-20" name="Home 20">
        <geometry xsi:type="esdl:Point" lat="52.094700" lon="5.121400" />
        <asset xsi:type="esdl:EConnection" id="home-20-connection" name="Connection 20">
          <port xsi:type="esdl:InPort" id="port-151" name="In" carrier="electricity" connectedTo="port-150" />
          <port xsi:type="esdl:OutPort" id="port-152" name="Out" carrier="electricity" connectedTo="port-153" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-20-demand" name="Household 20" power="616.4">
          <port xsi:type="esdl:InPort" id="port-153" name="In" carrier="electricity" connectedTo="port-152" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-21-cable" name="Cable 21" length="335.0">
        <port xsi:type="esdl:InPort" id="port-154" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-155" name="Out" carrier="electricity" connectedTo="port-156" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-21" name="Home 21">
        <geometry xsi:type="esdl:Point" lat="52.094900" lon="5.121700" />
        <asset xsi:type="esdl:EConnection" id="home-21-connection" name="Connection 21">
          <port xsi:type="esdl:InPort" id="port-156" name="In" carrier="electricity" connectedTo="port-155" />
          <port xsi:type="esdl:OutPort" id="port-157" name="Out" carrier="electricity" connectedTo="port-158 port-161 port-162" />
          <port xsi:type="esdl:InPort" id="port-160" name="In" carrier="electricity" connectedTo="port-159" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-21-demand" name="Household 21" power="325.3">
          <port xsi:type="esdl:InPort" id="port-158" name="In" carrier="electricity" connectedTo="port-157" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-21-pv" name="Panels 21" panelEfficiency="0.2" surfaceArea="23" angle="35" orientation="150">
          <port xsi:type="esdl:OutPort" id="port-159" name="Out" carrier="electricity" connectedTo="port-160" />
        </asset>
        <asset xsi:type="esdl:HeatPump" id="home-21-heat-pump" name="Heat pump 21" power="6000.0">
          <port xsi:type="esdl:InPort" id="port-161" name="In" carrier="electricity" connectedTo="port-157" />
        </asset>
        <asset xsi:type="esdl:EVChargingStation" id="home-21-charger" name="Charger 21" power="7400.0">
          <port xsi:type="esdl:InPort" id="port-162" name="In" carrier="electricity" connectedTo="port-157" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-22-cable" name="Cable 22" length="350.0">
        <port xsi:type="esdl:InPort" id="port-163" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-164" name="Out" carrier="electricity" connectedTo="port-165" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-22" name="Home 22">
        <geometry xsi:type="esdl:Point" lat="52.095100" lon="5.121400" />
        <asset xsi:type="esdl:EConnection" id="home-22-connection" name="Connection 22">
          <port xsi:type="esdl:InPort" id="port-165" name="In" carrier="electricity" connectedTo="port-164" />
          <port xsi:type="esdl:OutPort" id="port-166" name="Out" carrier="electricity" connectedTo="port-167" />
          <port xsi:type="esdl:InPort" id="port-169" name="In" carrier="electricity" connectedTo="port-168" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-22-demand" name="Household 22" power="445.2">
          <port xsi:type="esdl:InPort" id="port-167" name="In" carrier="electricity" connectedTo="port-166" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-22-pv" name="Panels 22" panelEfficiency="0.2" surfaceArea="16" angle="35" orientation="180">
          <port xsi:type="esdl:OutPort" id="port-168" name="Out" carrier="electricity" connectedTo="port-169" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-23-cable" name="Cable 23" length="365.0">
        <port xsi:type="esdl:InPort" id="port-170" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-171" name="Out" carrier="electricity" connectedTo="port-172" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-23" name="Home 23">
        <geometry xsi:type="esdl:Point" lat="52.095300" lon="5.121700" />
        <asset xsi:type="esdl:EConnection" id="home-23-connection" name="Connection 23">
          <port xsi:type="esdl:InPort" id="port-172" name="In" carrier="electricity" connectedTo="port-171" />
          <port xsi:type="esdl:OutPort" id="port-173" name="Out" carrier="electricity" connectedTo="port-174 port-177" />
          <port xsi:type="esdl:InPort" id="port-176" name="In" carrier="electricity" connectedTo="port-175" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-23-demand" name="Household 23" power="565.1">
          <port xsi:type="esdl:InPort" id="port-174" name="In" carrier="electricity" connectedTo="port-173" />
        </asset>
        <asset xsi:type="esdl:PVInstallation" id="home-23-pv" name="Panels 23" panelEfficiency="0.2" surfaceArea="21" angle="35" orientation="210">
          <port xsi:type="esdl:OutPort" id="port-175" name="Out" carrier="electricity" connectedTo="port-176" />
        </asset>
        <asset xsi:type="esdl:Battery" id="home-23-battery" name="Battery 23" fillLevel="0.3" capacity="28800000.0" maxChargeRate="2500.0" maxDischargeRate="2500.0" chargeEfficiency="0.95" dischargeEfficiency="0.95">
          <port xsi:type="esdl:InPort" id="port-177" name="In" carrier="electricity" connectedTo="port-173" />
        </asset>
      </asset>
      <asset xsi:type="esdl:ElectricityCable" id="home-24-cable" name="Cable 24" length="380.0">
        <port xsi:type="esdl:InPort" id="port-178" name="In" carrier="electricity" connectedTo="port-3" />
        <port xsi:type="esdl:OutPort" id="port-179" name="Out" carrier="electricity" connectedTo="port-180" />
      </asset>
      <asset xsi:type="esdl:Building" id="home-24" name="Home 24">
        <geometry xsi:type="esdl:Point" lat="52.095500" lon="5.121400" />
        <asset xsi:type="esdl:EConnection" id="home-24-connection" name="Connection 24">
          <port xsi:type="esdl:InPort" id="port-180" name="In" carrier="electricity" connectedTo="port-179" />
          <port xsi:type="esdl:OutPort" id="port-181" name="Out" carrier="electricity" connectedTo="port-182 port-183" />
        </asset>
        <asset xsi:type="esdl:ElectricityDemand" id="home-24-demand" name="Household 24" power="274.0">
          <port xsi:type="esdl:InPort" id="port-182" name="In" carrier="electricity" connectedTo="port-181" />
        </asset>
        <asset xsi:type="esdl:HeatPump" id="home-24-heat-pump" name="Heat pump 24" power="6000.0">
          <port xsi:type="esdl:InPort" id="port-183" name="In" carrier="electricity" connectedTo="port-181" />
        </asset>
      </asset>
    </area>
  </instance>
</esdl:EnergySystem>
