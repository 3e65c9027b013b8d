// Lambda's Runtime API, in place of aws-lambda-ric, which needs cmake, autoconf, automake and libtool to build.

const http = require("node:http");
const { handler } = require("./function");

const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

const request = (method, path, body) =>
  new Promise((resolve, reject) => {
    const options = { hostname, port, method, agent, path: `/2018-06-01/runtime/invocation/${path}` };
    if (body !== undefined) options.headers = { "content-length": Buffer.byteLength(body) };
    const sent = http.request(options, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => resolve({ headers: answer.headers, body: Buffer.concat(chunks).toString() }));
    });
    sent.on("error", reject);
    sent.end(body);
  });

(async () => {
  for (;;) {
    const { headers, body } = await request("GET", "next");
    const id = headers["lambda-runtime-aws-request-id"];
    try {
      await request("POST", `${id}/response`, JSON.stringify(await handler(JSON.parse(body))));
    } catch (error) {
      console.error(error);
      await request("POST", `${id}/error`, JSON.stringify({ errorType: error.name, errorMessage: error.message }));
    }
  }
})();
