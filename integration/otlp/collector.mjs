// A collector for tests: reads OTLP over HTTP with OpenTelemetry's own definition of the messages, and keeps the spans.
// It says `collector at PORT` on standard error when it can be asked; PORT=n asks for that port.
//
//   POST /v1/traces  an ExportTraceServiceRequest
//   POST /behave     {"status", "retryAfter", "rejected", "message"}: how /v1/traces answers from now on
//   GET  /spans      every span that was taken, with its resource and its scope
//   GET  /requests   how often each status was answered, and the headers of the last request
import http from "node:http";
import root from "@opentelemetry/otlp-transformer/build/src/generated/root.js";

const { ExportTraceServiceRequest, ExportTraceServiceResponse } = root.opentelemetry.proto.collector.trace.v1;
const taken = [];
const answered = {};
let behaviour = { status: 200 };
let headers = {};

const hex = (bytes) => Buffer.from(bytes ?? []).toString("hex");
const attributes = (list) =>
  Object.fromEntries((list ?? []).map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]));

function keep(body) {
  const request = ExportTraceServiceRequest.decode(body);
  for (const { resource, scopeSpans } of request.resourceSpans) {
    for (const { scope, spans } of scopeSpans) {
      for (const span of spans) {
        taken.push({
          resource: attributes(resource.attributes),
          scope: scope.name,
          trace: hex(span.traceId),
          span: hex(span.spanId),
          parent: hex(span.parentSpanId),
          state: span.traceState ?? "",
          name: span.name,
          kind: span.kind,
          start: String(span.startTimeUnixNano),
          end: String(span.endTimeUnixNano),
          attributes: attributes(span.attributes),
          status: span.status?.code ?? 0,
          flags: span.flags ?? 0,
        });
      }
    }
  }
}

function traces(request, body) {
  if (request.headers["content-type"] !== "application/x-protobuf") return [415, {}, ""];
  headers = request.headers;
  const { status, retryAfter, rejected, message } = behaviour;
  const more = retryAfter === undefined ? {} : { "retry-after": String(retryAfter) };
  if (status !== 200) return [status, more, ""];
  keep(body);
  const partialSuccess = rejected || message ? { rejectedSpans: rejected ?? 0, errorMessage: message ?? "" } : undefined;
  const answer = ExportTraceServiceResponse.encode({ partialSuccess }).finish();
  return [200, { "content-type": "application/x-protobuf" }, answer];
}

function answer(request, body) {
  const json = (value) => [200, { "content-type": "application/json" }, JSON.stringify(value)];
  switch (`${request.method} ${request.url}`) {
    case "POST /v1/traces": {
      const answer = traces(request, body);
      answered[answer[0]] = (answered[answer[0]] ?? 0) + 1;
      return answer;
    }
    case "POST /behave":
      behaviour = { status: 200, ...JSON.parse(body) };
      return json({});
    case "GET /spans":
      return json(taken);
    case "GET /requests":
      return json({ answered, headers });
    default:
      return [404, {}, ""];
  }
}

const server = http.createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  let [status, headers, body] = [400, {}, ""];
  try {
    [status, headers, body] = answer(request, Buffer.concat(parts));
  } catch (error) {
    console.error(error);
  }
  response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) }).end(body);
});
server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => console.error(`collector at ${server.address().port}`));
