"""A function in Python as a careful team ships it: one secret, one connection, one prepared statement, one retry."""

import json
import os

import boto3
import psycopg

from user_event import user_event

secret = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["DB_SECRET_ID"])["SecretString"])


def connect():
    return psycopg.connect(
        host=secret["host"],
        port=secret["port"],
        dbname=secret["dbname"],
        user=secret["username"],
        password=secret["password"],
        sslmode="verify-full",
        sslrootcert=os.environ["PGSSLROOTCERT"],
        connect_timeout=2,
        autocommit=True,
    )


# Before the first event: Lambda gives the start of a process a whole CPU.
connection = connect()


def ensure(argument):
    connection.execute("select cognito.ensure_user(%s::jsonb)", (argument,), prepare=True)


def handler(event, context):
    global connection
    argument = user_event(event)
    try:
        ensure(argument)
    except psycopg.OperationalError:
        # A frozen function wakes with a dead connection.
        connection.close()
        connection = connect()
        ensure(argument)
    return event
