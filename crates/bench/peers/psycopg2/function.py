"""The function that everybody writes first: it connects for each event."""

import json
import os

import boto3
import psycopg2

from user_event import user_event

secret = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["DB_SECRET_ID"])["SecretString"])


def handler(event, context):
    connection = psycopg2.connect(
        host=secret["host"],
        port=secret["port"],
        dbname=secret["dbname"],
        user=secret["username"],
        password=secret["password"],
        sslmode="verify-full",
        sslrootcert=os.environ["PGSSLROOTCERT"],
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("select cognito.ensure_user(%s::jsonb)", (user_event(event),))
    finally:
        connection.close()
    return event
