"""Tests `examples/ocpp` with a charging station of PyPI's ocpp: ocpp_station.py 127.0.0.1:PORT"""

import asyncio
import importlib.metadata
import json
import sys
import urllib.error
import urllib.request

import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import AuthorizationStatus, RegistrationStatus, RemoteStartStopStatus

ADDRESS = sys.argv[1]


class Station(ChargePoint):
    @on("RemoteStartTransaction")
    def remote_start(self, id_tag, **_):
        accepts = id_tag != "busy"
        status = RemoteStartStopStatus.accepted if accepts else RemoteStartStopStatus.rejected
        return call_result.RemoteStartTransaction(status=status)


def remote_start(station, body):
    url = f"http://{ADDRESS}/stations/{station}/remote-start"
    try:
        with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=15) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, None


async def main():
    async with websockets.connect(f"ws://{ADDRESS}/ocpp/CP-1", subprotocols=["ocpp1.6"]) as socket:
        assert socket.subprotocol == "ocpp1.6"
        station = Station("CP-1", socket)
        task = asyncio.create_task(station.start())
        boot = await station.call(
            call.BootNotification(charge_point_vendor="Vendor", charge_point_model="Model")
        )
        assert boot.status == RegistrationStatus.accepted and boot.interval == 300
        assert (await station.call(call.Heartbeat())).current_time.endswith("Z")
        await station.call(
            call.StatusNotification(connector_id=1, error_code="NoError", status="Available")
        )
        authorized = await station.call(call.Authorize(id_tag="card"))
        assert authorized.id_tag_info["status"] == AuthorizationStatus.accepted
        blocked = await station.call(call.Authorize(id_tag="blocked-card"))
        assert blocked.id_tag_info["status"] == AuthorizationStatus.blocked
        now = boot.current_time
        started = await station.call(
            call.StartTransaction(connector_id=1, id_tag="card", meter_start=0, timestamp=now)
        )
        sampled = [{"timestamp": now, "sampledValue": [{"value": "7"}]}]
        await station.call(
            call.MeterValues(
                connector_id=1, meter_value=sampled, transaction_id=started.transaction_id
            )
        )
        await station.call(
            call.StopTransaction(
                meter_stop=7, timestamp=now, transaction_id=started.transaction_id
            )
        )
        for body, expected in [({"idTag": "card", "connectorId": 1}, "Accepted"), ({"idTag": "busy"}, "Rejected")]:
            status, answer = await asyncio.to_thread(remote_start, "CP-1", body)
            assert (status, answer) == (200, {"status": expected}), (status, answer)
        assert (await asyncio.to_thread(remote_start, "CP-2", {"idTag": "card"}))[0] == 404
        assert (await asyncio.to_thread(remote_start, "CP-1", {}))[0] == 400
        task.cancel()
    print(f"ocpp {importlib.metadata.version('ocpp')}: ok")


asyncio.run(main())
