"""The runner in Python: messages and stubs by grpcio-tools. See ../README.md."""

import json
import platform
import queue
import sys
import threading

import grpc
from google.protobuf import json_format, message_factory
from google.rpc import code_pb2, error_details_pb2  # noqa: F401, so that details can be shown
from grpc_status import rpc_status

from grpc_protos.health.v1 import health_pb2, health_pb2_grpc
from grpc_protos.reflection.v1 import reflection_pb2, reflection_pb2_grpc
from grpc_protos.reflection.v1alpha import reflection_pb2 as alpha_pb2
from grpc_protos.reflection.v1alpha import reflection_pb2_grpc as alpha_pb2_grpc
from sluice.v1 import errors_pb2  # noqa: F401
from sluice.v1 import (
    consumer_group_service_pb2,
    consumer_group_service_pb2_grpc,
    event_store_service_pb2,
    event_store_service_pb2_grpc,
    stream_service_pb2,
    stream_service_pb2_grpc,
)

SERVICES = {
    service.full_name: (service, getattr(stubs, f"{service.name}Stub"))
    for messages, stubs in [
        (event_store_service_pb2, event_store_service_pb2_grpc),
        (consumer_group_service_pb2, consumer_group_service_pb2_grpc),
        (stream_service_pb2, stream_service_pb2_grpc),
        (health_pb2, health_pb2_grpc),
        (reflection_pb2, reflection_pb2_grpc),
        (alpha_pb2, alpha_pb2_grpc),
    ]
    for service in messages.DESCRIPTOR.services_by_name.values()
}

printing = threading.Lock()


def say(**line):
    with printing:
        print(json.dumps(line), flush=True)


class Call:
    """A call that is under way. None among its requests is their end."""

    def __init__(self, channel, command):
        self.number = command["call"]
        self.requests = queue.SimpleQueue()
        service, name = command["method"].split("/")
        descriptor, stub = SERVICES[service]
        method = descriptor.methods_by_name[name]
        self.request_class = message_factory.GetMessageClass(method.input_type)
        call = getattr(stub(channel), name)
        making = {
            "timeout": command["deadlineMs"] / 1000,
            "metadata": list(command.get("metadata", {}).items()),
        }
        if method.client_streaming:
            self.call = call(iter(self.requests.get, None), **making)
        elif method.server_streaming:
            self.call = call(self.parse(command["request"]), **making)
        else:
            self.call = call.future(self.parse(command["request"]), **making)
        answers = self.call if method.server_streaming else self.only_answer()
        threading.Thread(target=self.run, args=[answers], daemon=True).start()

    def parse(self, value):
        return json_format.ParseDict(value, self.request_class())

    def only_answer(self):
        yield self.call.result()

    def run(self, answers):
        try:
            for answer in answers:
                say(call=self.number, message=json_format.MessageToDict(answer))
            say(call=self.number, status="OK")
        except grpc.FutureCancelledError:
            say(call=self.number, status="CANCELLED")
        except grpc.RpcError as error:
            rich = rpc_status.from_call(error)
            details = [json_format.MessageToDict(detail) for detail in rich.details] if rich else []
            say(call=self.number, status=error.code().name, text=error.details(), details=details)
        finally:
            self.requests.put(None)


def main(address):
    calls = {}
    with grpc.insecure_channel(address) as channel:
        say(runner=f"Python {platform.python_version()}, grpcio {grpc.__version__}")
        for line in sys.stdin:
            command = json.loads(line)
            call = calls.get(command["call"])
            if not call:
                calls[command["call"]] = Call(channel, command)
            elif "send" in command:
                call.requests.put(call.parse(command["send"]))
            elif "halfClose" in command:
                call.requests.put(None)
            else:
                call.call.cancel()


main(sys.argv[1])
