// A function in JavaScript as a careful team ships it: one secret, one connection, one prepared statement, one retry.

const { readFileSync } = require("node:fs");
const { GetSecretValueCommand, SecretsManagerClient } = require("@aws-sdk/client-secrets-manager");
const { Client } = require("pg");
const { userEvent } = require("./user_event");

const secret = new SecretsManagerClient()
  .send(new GetSecretValueCommand({ SecretId: process.env.DB_SECRET_ID }))
  .then((answer) => JSON.parse(answer.SecretString));
const ca = readFileSync(process.env.PGSSLROOTCERT, "utf8");

const connect = async () => {
  const { host, port, dbname: database, username: user, password } = await secret;
  // With a root certificate, the certificate and the name in it are verified.
  const client = new Client({ host, port, database, user, password, ssl: { ca }, connectionTimeoutMillis: 2000 });
  // Without a listener the end of an idle connection would end the process. The next statement fails, and reconnects.
  client.on("error", () => {});
  await client.connect();
  return client;
};

const ensure = async (argument) =>
  (await connection).query({ name: "ensure", text: "select cognito.ensure_user($1::jsonb)", values: [argument] });

// Before the first event: Lambda gives the start of a process a whole CPU.
let connection = connect();

exports.handler = async (event) => {
  const argument = userEvent(event);
  try {
    await ensure(argument);
  } catch (error) {
    // A statement that the server has refused would be refused again.
    if (error.severity === "ERROR") throw error;
    // A frozen function wakes with a dead connection.
    connection.then((client) => client.end()).catch(() => {});
    connection = connect();
    await ensure(argument);
  }
  return event;
};
