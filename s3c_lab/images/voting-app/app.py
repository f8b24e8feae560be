"""A page that takes votes and keeps them in PostgreSQL.

Settings come from the environment: VOTING_TITLE, VOTING_OPTIONS (two or more, separated by commas), VOTING_DB_HOST,
VOTING_DB_PORT, VOTING_DB_NAME, VOTING_DB_USER, and VOTING_DB_PASSWORD or VOTING_DB_PASSWORD_FILE.
"""

import os
from pathlib import Path

import psycopg2
from flask import Flask, Response, abort, jsonify, redirect, render_template, request
from psycopg2.extensions import connection as Connection  # noqa: N812

TITLE = os.environ.get("VOTING_TITLE", "Azure voting app")
OPTIONS = [option.strip() for option in os.environ.get("VOTING_OPTIONS", "Cats,Dogs").split(",") if option.strip()]

app = Flask(__name__)


def password() -> str:
    """The database's password, from a mounted secret where there is one."""
    file = os.environ.get("VOTING_DB_PASSWORD_FILE")
    return Path(file).read_text().strip() if file else os.environ.get("VOTING_DB_PASSWORD", "")


def connect() -> Connection:
    """A connection to the database; the table is made by whoever comes first."""
    connection = psycopg2.connect(
        host=os.environ.get("VOTING_DB_HOST", "voting-db"),
        port=os.environ.get("VOTING_DB_PORT", "5432"),
        dbname=os.environ.get("VOTING_DB_NAME", "voting"),
        user=os.environ.get("VOTING_DB_USER", "voting"),
        password=password(),
        connect_timeout=2,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('votes')")
        if cursor.fetchone()[0] is None:
            cursor.execute("SELECT pg_advisory_xact_lock(1)")
            cursor.execute("CREATE TABLE IF NOT EXISTS votes (choice text NOT NULL, at timestamptz DEFAULT now())")
    return connection


def count() -> dict[str, int]:
    """Votes by option, in the options' order."""
    connection = connect()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT choice, count(*) FROM votes GROUP BY choice")
            votes = dict(cursor.fetchall())
    finally:
        connection.close()
    return {option: votes.get(option, 0) for option in OPTIONS}


@app.get("/")
def page() -> str:
    """The page."""
    return render_template("index.html", title=TITLE, votes=count())


@app.post("/")
def vote() -> Response:
    """Take a vote, or start again."""
    choice = request.form.get("vote", "")
    if choice != "reset" and choice not in OPTIONS:
        abort(400, "That is not one of the options.")
    connection = connect()
    try:
        with connection, connection.cursor() as cursor:
            if choice == "reset":
                cursor.execute("DELETE FROM votes")
            else:
                cursor.execute("INSERT INTO votes (choice) VALUES (%s)", (choice,))
    finally:
        connection.close()
    return redirect("/", 303)


@app.get("/api/votes")
def votes() -> Response:
    """The votes as JSON."""
    return jsonify(count())


@app.get("/healthz")
def health() -> str:
    """Whether votes can be taken: the database answers."""
    connect().close()
    return "ok\n"


@app.errorhandler(psycopg2.OperationalError)
def database_down(error: Exception) -> tuple[str, int]:
    """Say what is missing, without what the driver knows of the connection."""
    app.logger.error("database: %s", error)
    return "The database does not answer.\n", 503
