"""A server of gRPC that echoes, and a client that tells what it got: Google's implementation, without generated code."""

import json
import sys
from concurrent import futures

import grpc


class Echo(grpc.GenericRpcHandler):
    """Messages are bytes."""

    def service(self, details):
        calls = {
            "/echo.Echo/Unary": grpc.unary_unary_rpc_method_handler(unary),
            "/echo.Echo/Stream": grpc.unary_stream_rpc_method_handler(stream),
            "/echo.Echo/Chat": grpc.stream_stream_rpc_method_handler(chat),
            "/echo.Echo/Fail": grpc.unary_unary_rpc_method_handler(fail),
        }
        return calls.get(details.method)


def unary(message, context):
    seen = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
    context.send_initial_metadata((("x-seen", json.dumps(seen)),))
    context.set_trailing_metadata((("x-trailer", "at the end"),))
    return message


def stream(message, context):
    for number in range(5):
        yield message + str(number).encode()
    context.set_trailing_metadata((("x-trailer", "after five"),))


def chat(messages, context):
    for message in messages:
        yield message


def fail(message, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: " + message.decode())


def server(arguments):
    served = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    served.add_generic_rpc_handlers((Echo(),))
    if arguments:
        key, chain = (open(path, "rb").read() for path in arguments)
        port = served.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(((key, chain),)))
    else:
        port = served.add_insecure_port("127.0.0.1:0")
    served.start()
    print(port, flush=True)
    served.wait_for_termination()


def client(address, authority, call, message, *metadata):
    credentials = grpc.ssl_channel_credentials(open(authority, "rb").read())
    options = (("grpc.ssl_target_name_override", "gw.test"), ("grpc.enable_http_proxy", 0))
    channel = grpc.secure_channel(address, credentials, options=options)
    method = "/echo.Echo/" + call
    metadata = tuple(tuple(pair.split("=", 1)) for pair in metadata)
    message, told = message.encode(), {"messages": []}
    try:
        if call == "Chat":
            parts = (message + bytes([65 + number]) for number in range(3))
            answer = channel.stream_stream(method)(parts, metadata=metadata, timeout=20)
            told["messages"] = [part.decode() for part in answer]
        elif call == "Stream":
            answer = channel.unary_stream(method)(message, metadata=metadata, timeout=20)
            told["messages"] = [part.decode() for part in answer]
        else:
            body, answer = channel.unary_unary(method).with_call(message, metadata=metadata, timeout=20)
            told["messages"] = [body.decode()]
    except grpc.RpcError as error:
        answer = error
    told["code"], told["details"] = answer.code().name, answer.details()
    told["initial"] = dict(answer.initial_metadata())
    told["trailing"] = dict(answer.trailing_metadata())
    print(json.dumps(told, default=repr))


if __name__ == "__main__":
    if sys.argv[1] == "server":
        server(sys.argv[2:])
    else:
        client(*sys.argv[2:])
