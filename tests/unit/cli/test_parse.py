"""What a user may write on the command line and in the environment, and what is answered."""

from __future__ import annotations

import base64
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tdl_sync.cli.parse import TextRequested, parse_config
from tdl_sync.cli.usage import OPTIONS, USAGE
from tdl_sync.core.errors import EXIT_USAGE, UsageError
from tdl_sync.core.operating_system import MAC_PLACES, WINDOWS_PLACES, XDG_PLACES, UserPlaces
from tdl_sync.core.shards import Shard
from tdl_sync.options.chat_spelling import (
    ByInviteHash,
    ByMarkedId,
    ByUsername,
    ChatSpelling,
    OwnSavedMessages,
    parse_chat,
)
from tdl_sync.options.config import Command, Config

HOME = {"HOME": "/home/somebody", "USERPROFILE": "/home/somebody"}
SESSION = base64.urlsafe_b64encode(bytes([2]) + bytes(range(256)) + bytes(14)).decode().rstrip("=")


def parse(command_line: str = "", **variables: str) -> Config:
    environ = {**HOME, **{f"TDL_SYNC_{name}": text for name, text in variables.items()}}
    return parse_config(shlex.split(command_line), environ)


def refusal(command_line: str = "", **variables: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(command_line, **variables)
    assert caught.value.exit_status == EXIT_USAGE
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_one_option_is_enough() -> None:
    config = parse("-u @channel")
    running = config.running
    assert config.command is Command.SYNC
    assert config.chats.spellings == (ByUsername("channel"),)
    assert config.task.remote == "gdrive:tdl-sync"
    assert not config.rclone.must_be_drive
    assert running.max_disk_bytes == 50_000_000_000
    assert (running.workers, running.downloads, running.connections) == (3, 4, 8)
    assert (running.save_interval_seconds, running.grace_seconds) == (300, 5)
    assert config.rclone.program is None
    assert config.rclone.config_file is None
    assert config.rclone.arguments == ()
    assert config.telegram.proxy is None


def test_bare_and_sync_are_the_same() -> None:
    assert parse("sync -u @channel --max-disk 7") == parse("--max-disk 7 -u @channel")


def test_every_documented_default_is_a_value_that_is_accepted() -> None:
    defaults = {name: option.default for name, option in OPTIONS.items() if option.default}
    assert len(defaults) == 8
    given = " ".join(f"{name} {text}" for name, text in defaults.items())
    assert parse(f"-u me {given}") == parse("-u me")


def test_the_whole_help_is_the_text_and_fits_a_terminal() -> None:
    for command_line in ("--help all", "-h all", "login --help all", "-u me -h all"):
        with pytest.raises(TextRequested) as caught:
            parse(command_line)
        assert caught.value.text == USAGE
    assert max(len(line) for line in USAGE.splitlines()) <= 80
    assert USAGE.index("Examples:") < USAGE.index("Usage:") < USAGE.index("Exit states")


def test_version_is_told() -> None:
    for spelling in ("--version", "-V"):
        with pytest.raises(TextRequested) as caught:
            parse(spelling)
        assert re.fullmatch(r"tdl_sync \d+\.\d+\.\d+\n", caught.value.text)


def test_nothing_is_printed_whatever_is_given(capfd: pytest.CaptureFixture[str]) -> None:
    for command_line in ("-U @channel", "--URL @channel", "-w 3 -u me", "--work 3 -u me", "x y z"):
        refusal(command_line)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("spelling", "chat"),
    [
        ("@Some_Name", ByUsername("some_name")),
        ("Some_Name", ByUsername("some_name")),
        ("https://t.me/name", ByUsername("name")),
        ("http://t.me/name/", ByUsername("name")),
        ("t.me/name", ByUsername("name")),
        ("https://t.me/s/name", ByUsername("name")),
        ("https://t.me/s/name/17", ByUsername("name", 17)),
        ("https://telegram.me/name", ByUsername("name")),
        ("https://name.t.me/17", ByUsername("name", 17)),
        ("https://t.me/name/123", ByUsername("name", 123)),
        ("https://t.me/name/123?single", ByUsername("name", 123)),
        ("https://t.me/forum/5/123", ByUsername("forum", 123, topic_id=5)),
        ("https://t.me/forum/123?thread=5&single", ByUsername("forum", 123, topic_id=5)),
        ("https://t.me/forum/5/123?thread=5", ByUsername("forum", 123, topic_id=5)),
        ("https://t.me/name/123?t=1m2s#x", ByUsername("name", 123)),
        ("@gif", ByUsername("gif")),
        ("tg://resolve?domain=name", ByUsername("name")),
        ("tg://resolve?domain=name&post=123", ByUsername("name", 123)),
        ("https://t.me/c/1234567890", ByMarkedId(-1001234567890)),
        ("https://t.me/c/1234567890/123", ByMarkedId(-1001234567890, 123)),
        ("https://t.me/c/1234567890/5/123", ByMarkedId(-1001234567890, 123, topic_id=5)),
        ("tg://resolve?domain=name&post=9&thread=5", ByUsername("name", 9, topic_id=5)),
        ("https://t.me/c/5234567890/123", ByMarkedId(-1005234567890, 123)),
        ("tg://privatepost?channel=1234567890&post=9", ByMarkedId(-1001234567890, 9)),
        ("-1001234567890", ByMarkedId(-1001234567890)),
        ("-1005234567890", ByMarkedId(-1005234567890)),
        ("-987654", ByMarkedId(-987654)),
        ("-2002147483649", ByMarkedId(-2002147483649)),
        ("-2500000000000", ByMarkedId(-2500000000000)),
        ("-4000000000000", ByMarkedId(-4000000000000)),
        ("777000", ByMarkedId(777000)),
        ("1099511627775", ByMarkedId(1099511627775)),
        ("tg://user?id=777000", ByMarkedId(777000)),
        ("https://t.me/+AbCdEf-0123_xyzq", ByInviteHash("AbCdEf-0123_xyzq")),
        ("https://t.me/joinchat/AbCdEf0123", ByInviteHash("AbCdEf0123")),
        ("tg://join?invite=AbCdEf0123", ByInviteHash("AbCdEf0123")),
        ("me", OwnSavedMessages()),
    ],
)
def test_a_chat_is_found_by_every_spelling(spelling: str, chat: ChatSpelling) -> None:
    assert parse_chat(spelling, "-u") == chat
    assert parse_chat(spelling, "-u").text == spelling
    assert parse(f"-u '{spelling}'").chats.spellings == (chat,)
    assert parse(URL=spelling).chats.spellings == (chat,)


@pytest.mark.parametrize(
    "spelling",
    [
        "0",
        "1099511627776",
        "-4000000000001",
        "ab",
        "1name",
        "two words",
        "@",
        "https://t.me/",
        "https://t.me/c/",
        "https://t.me/c/name/1",
        "https://t.me/name/0",
        "https://t.me/name/word",
        "https://t.me/name/99999999999",
        "https://t.me/+4915112345678",
        "https://t.me/addstickers/Animals",
        "https://t.me/proxy?server=1.2.3.4",
        "https://example.com/name",
        "tg://settings",
        "-1000000000000",
        "-99999999999999",
        "name\x1b[31m",
        "naïve_name",
    ],
)
def test_anything_else_is_refused_with_the_list_of_spellings(spelling: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_chat(spelling, "-u")
    text = str(caught.value)
    assert text.startswith(f"-u: {spelling!r} is ")
    assert "https://t.me/name/123 (from message 123 on)" in text
    assert text.isprintable()


@pytest.mark.parametrize(
    ("link", "answer"),
    [
        ("https://t.me/name/5?comment=7", "a link to a comment on one post: name the channel "),
        ("https://t.me/c/1234567890/5?comment=7", "add --comments, for all comments on its posts"),
        ("tg://resolve?domain=name&post=5&comment=7", "add --comments"),
        ("https://t.me/name/s/5", "a link to a story, which is no message of the chat"),
        ("tg://resolve?domain=name&story=5", "a link to a story"),
        ("https://t.me/name/5?thread=6&story=7", "a link to a story"),
        ("https://t.me/name/a/5", "a link to an album of stories"),
        ("https://t.me/name?direct", "`chats` lists them with their id, which -u takes"),
        ("https://t.me/s/name?before=80", "a part of a preview: leave that out for the whole chat"),
        ("https://t.me/s/name?q=cats", "a link to a search: leave that out for the whole chat"),
        ("https://t.me/name/5?new_one=7", "a link with 'new_one', which can name a part of the "),
        ("https://t.me/name/5/7?thread=6", "a link whose message id is not a number that a "),
        ("https://t.me/c/1234567890/5/6/7", "a link whose message id is not a number that a "),
        ("https://t.me/joinchat/AbCdEf0123/5", "not an invite link"),
    ],
)
def test_a_link_is_never_read_as_something_wider_than_it_names(link: str, answer: str) -> None:
    assert answer in refusal(f"-u '{link}'")


def test_a_link_to_a_topic_and_another_topic_are_refused_together() -> None:
    link = "https://t.me/c/1234567890/5/123"
    assert "--topic 6 is another topic than the one that " in refusal(f"-u {link} --topic 6")
    assert parse(f"-u {link} --topic 5").chats.topic_id == 5


def test_the_value_of_a_flag_of_rclones_may_stand_behind_a_space() -> None:
    spaced = parse("-u me '--rclone-arg=--bwlimit 8M' --rclone-arg '--header  a: b'")
    assert spaced.rclone.arguments == ("--bwlimit=8M", "--header=a: b")


def test_several_chats_are_taken_in_order_and_each_once() -> None:
    chats = (ByUsername("second"), ByUsername("first"))
    assert parse("-u second --url=@first -u https://t.me/Second").chats.spellings == chats
    assert parse(URL=" second\n@first ").chats.spellings == chats


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("50", 50 * 10**9),
        ("0.5", 5 * 10**8),
        ("500M", 5 * 10**8),
        ("500mb", 5 * 10**8),
        ("1.5T", 1_500_000_000_000),
        ("20GiB", 20 * 2**30),
        ("'20 GB'", 20 * 10**9),
        ("4096B", 4096),
        ("64KiB", 65536),
    ],
)
def test_sizes_are_in_gb_or_have_a_unit(text: str, size_bytes: int) -> None:
    assert parse(f"-u me --max-disk {text}").running.max_disk_bytes == size_bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("0.5h", 1800), ("1d", 86400)],
)
def test_durations_are_in_seconds_or_have_units(text: str, seconds: float) -> None:
    assert parse(f"-u me --save-interval {text}").running.save_interval_seconds == seconds


@pytest.mark.parametrize("text", ["lots", "-5", "5X", "1e3", "5iB", "1.2.3", "0x10", "५", "inf"])
def test_what_is_no_size_is_named_with_examples(text: str) -> None:
    assert refusal(f"-u me --max-disk={text}") == (
        "--max-disk: expected a size such as 50 (GB), 500M, 1.5T or 20GiB, "
        f"found '{text}'; see tdl_sync.py --help"
    )


def test_a_budget_in_bytes_is_not_mistaken_for_gigabytes() -> None:
    expected = "expected a size above 0 and up to 1 PB (a bare number is in GB; 4096B in bytes)"
    assert expected in refusal("-u me --max-disk 50000000000")
    assert expected in refusal("-u me --max-disk 0")


@pytest.mark.parametrize("text", ["soon", "5x", "30m1h", "m", "1..5s", "-5", "nan"])
def test_what_is_no_duration_is_named_with_examples(text: str) -> None:
    assert refusal(f"-u me --grace={text}") == (
        "--grace: expected a duration such as 90s, 5m or 1h30m, "
        f"found '{text}'; see tdl_sync.py --help"
    )


def test_no_delay_is_longer_than_makes_sense() -> None:
    assert "a duration from 0 to 3600 seconds, found '2h'" in refusal("-u me --grace 2h")
    assert "a duration from 1 to 86400 seconds, found '0'" in refusal("-u me --save-interval 0")
    assert parse("-u me --grace 0").running.grace_seconds == 0


@pytest.mark.parametrize("option", ["--workers", "--downloads", "--connections"])
@pytest.mark.parametrize("text", ["0", "65", "two", "1.5", "-1", "²", "٣", "9" * 5000])
def test_parallelism_has_sane_limits(option: str, text: str) -> None:
    answer = refusal(f"-u me {option}={text}")
    assert answer.startswith(f"{option}: expected a whole number from 1 to ")
    assert len(answer) < 200


def test_every_option_can_be_a_variable() -> None:
    assert {option.variable for option in OPTIONS.values()} >= {
        "TDL_SYNC_MAX_DISK",
        "TDL_SYNC_RCLONE_CONFIG",
        "TDL_SYNC_URL",
    }
    by_variables = parse(
        URL="@channel",
        MAX_DISK="7",
        REMOTE="box:telegram",
        RESUME="yes",
        WORKERS="1",
        DOWNLOADS="2",
        CONNECTIONS="3",
        SAVE_INTERVAL="1m",
        GRACE="9",
        DATA_DIR="/data",
        STAGING="/fast",
        RCLONE="/opt/rclone",
        RCLONE_CONFIG="/etc/rclone.conf",
        RCLONE_ARG="--bwlimit=8M '--header=a: b'",
        PROXY="socks5://127.0.0.1:1080",
    )
    assert by_variables == parse(
        "-u @channel --max-disk 7 --remote box:telegram --resume --workers 1 --downloads 2 "
        "--connections 3 --save-interval 1m --grace 9 --data-dir /data --staging /fast "
        "--rclone /opt/rclone --rclone-config /etc/rclone.conf --rclone-arg=--bwlimit=8M "
        "--rclone-arg '--header=a: b' --proxy socks5://127.0.0.1:1080"
    )
    assert parse(URL="me", RESTART="1", RETRY_FAILED="off").task.restart
    assert parse(URL="me", GDRIVE="true", RESUME="0").rclone.must_be_drive


def test_verify_needs_a_chat_and_one_alone_for_what_is_said_of_one() -> None:
    assert refusal("verify").startswith("no chat is given: say which with -u, for example")
    assert refusal("verify -u me -u @abcd --topic 7").startswith("--topic is a topic of one chat")
    assert "is a message id of one chat" in refusal("verify -u me -u @abcd --from-id 7")
    assert "--limit belongs to the command sync" in refusal("verify -u me --limit 7")


def test_the_command_line_wins_even_with_the_value_of_the_default() -> None:
    assert parse("-u me --workers 3", WORKERS="9").running.workers == 3
    assert parse("-u one_chat", URL="other_chat").chats.spellings == (ByUsername("one_chat"),)


def test_the_command_line_wins_over_a_variable_that_it_excludes() -> None:
    config = parse("-u me --restart", RESUME="yes")
    assert (config.task.restart, config.task.resume) == (True, False)
    config = parse("-u me --gdrive", REMOTE="box:telegram")
    assert (config.task.remote, config.rclone.must_be_drive) == ("gdrive:tdl-sync", True)
    config = parse("-u me --remote box:telegram", GDRIVE="yes")
    assert (config.task.remote, config.rclone.must_be_drive) == ("box:telegram", False)


def test_an_empty_variable_counts_as_not_set() -> None:
    empty = {option.variable.removeprefix("TDL_SYNC_"): "" for option in OPTIONS.values()}
    assert parse("-u me", **empty, API_ID="", API_HASH="", SESSION_STRING=" ") == parse("-u me")


def test_a_wrong_value_names_the_variable_that_it_came_from() -> None:
    assert refusal("-u me", WORKERS="many").startswith("TDL_SYNC_WORKERS: expected a whole number")
    assert refusal("-u me", RESUME="maybe") == (
        "TDL_SYNC_RESUME: expected yes or no, found 'maybe'"
    )
    assert refusal(URL="0").startswith("TDL_SYNC_URL: '0' is a number that no person's")
    assert "quotation mark is not closed" in refusal("-u me", RCLONE_ARG="'--x")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("MAXDISK", "MAX_DISK"),
        ("URLS", "URL"),
        ("APIID", "API_ID"),
        ("SESION_STRING", "SESSION_STRING"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_right_one(wrong: str, right: str) -> None:
    assert refusal("-u me", **{wrong: "very-secret"}) == (
        f"unknown variable 'TDL_SYNC_{wrong}' in the environment; "
        f"did you mean TDL_SYNC_{right}? Correct it or unset it"
    )


def test_variables_that_resemble_none_are_left_alone() -> None:
    assert parse("-u me", JENKINS_AGENT="7") == parse("-u me")


@pytest.mark.parametrize(
    ("command_line", "words"),
    [
        ("find beach 2024", ("beach", "2024")),
        ("find -- -x --json", ("-x", "--json")),
        ("find a -- -- -b", ("a", "--", "-b")),
        ("find --json a --", ("a",)),
    ],
)
def test_what_stands_behind_two_dashes_is_looked_for_however_it_begins(
    command_line: str, words: tuple[str, ...]
) -> None:
    assert parse(command_line).words == words


@pytest.mark.parametrize(
    ("command_line", "answer"),
    [
        ("--wrokers 3 -u me", "unknown option '--wrokers'; did you mean --workers?"),
        ("--max-disc=3 -u me", "unknown option '--max-disc'; did you mean --max-disk?"),
        ("-x", "unknown option '-x'; see tdl_sync.py --help"),
        ("find -x", "unknown option '-x'; see tdl_sync.py --help"),
        ("find", "find takes the words to look for"),
        ("find --json", "find takes the words to look for"),
        ("find --", "find takes the words to look for"),
        ("find -- ''", "find takes the words to look for"),
        ("--work 3 -u me", "unknown option '--work'; did you mean --workers?"),
        (
            "sycn -u me",
            "unknown command 'sycn' (there are sync, login, chats, status, verify, doctor, "
            "adopt, find, config, demo, completion); did you mean sync?",
        ),
        ("sync login", "'login' after the command sync belongs to no option"),
        ("@channel", "a chat is given with -u (-u @channel)"),
        ("-u me --max-disk 50 GB", "'GB' stands alone: write a size in one word, such as 50GB"),
        ("-u me --min-size 5 m", "'m' stands alone: write a size in one word, such as 5"),
        ("https://t.me/name", "a chat is given with -u (-u https://t.me/name)"),
        ("-1001234567890", "a chat is given with -u (-u -1001234567890)"),
        ("-u me --remote drive:my files", "unknown command 'files'"),
        ("-u me --workers", "--workers needs a value (--workers N), and nothing follows it"),
        ("-u", "--url needs a value (--url CHAT), and nothing follows it"),
        ("-u --resume", "--url needs a value (--url CHAT), and --resume follows it"),
        ("-u me --max-disk=", "--max-disk needs a value (--max-disk SIZE), and the one given is"),
        ("--resume=yes", "--resume takes no value; write just --resume"),
        ("-u me --workers 3 --workers 4", "--workers is given twice; give it once"),
        ("login --workers 3", "--workers belongs to the command sync, not to login"),
        ("-u me --qr", "--qr belongs to the command login, not to sync"),
        ("-u me -- more", "a word that belongs to no option"),
        ("stand_in_source", "a word that belongs to no option: a chat is given with -u, and"),
        ("-u me -d /x", "unknown option '-d'; what tdl calls so is --remote; see "),
        ("-c me", "unknown option '-c'; what tdl calls so is --url; see "),
    ],
)
def test_wrong_use_is_one_line_that_names_the_mend(command_line: str, answer: str) -> None:
    assert refusal(command_line).startswith(answer)
    assert "--help" in refusal(command_line) or "just" in answer or "twice" in answer


@pytest.mark.parametrize(
    "pair",
    [
        "--resume-from 7 --restart",
        "--resume-from 7 --resume",
        "--restart --resume",
        "--retry-failed --restart",
        "--retry-failed --resume-from 7",
        "--gdrive --remote box:telegram",
    ],
)
def test_options_that_contradict_each_other_are_refused(pair: str) -> None:
    answer = refusal(f"-u me {pair}")
    assert "exclude each other" in answer
    for option in re.findall(r"--[a-z-]+", pair):
        assert option in answer


def test_gdrive_may_stand_beside_the_remote_that_it_means() -> None:
    config = parse("-u me --gdrive --remote gdrive:tdl-sync/")
    assert (config.task.remote, config.rclone.must_be_drive) == ("gdrive:tdl-sync", True)


def test_without_a_chat_only_resume_has_something_to_do() -> None:
    assert parse("--resume").chats.spellings == ()
    for command_line in ("", "--restart", "--retry-failed", "--resume-from 7", "sync"):
        assert refusal(command_line).startswith("no chat is given")
    assert parse("login").command is Command.LOGIN


def test_a_message_id_belongs_to_one_chat() -> None:
    assert parse("-u first --resume-from 7").chats.from_id == 7
    assert "run them one by one" in refusal("-u first -u second --resume-from 7")
    assert "a whole number from 1 to 2147483647" in refusal("-u first --resume-from 0")


@pytest.mark.parametrize(
    ("given", "remote"),
    [
        ("gdrive:", "gdrive:"),
        ("gdrive:a/b/", "gdrive:a/b"),
        ("'my drive:a b'", "my drive:a b"),
        ("Müll+1@x.y:p", "Müll+1@x.y:p"),
        (":local:/srv/files", ":local:/srv/files"),
        ("'gdrive,team_drive=0AB:files'", "gdrive,team_drive=0AB:files"),
        ("':webdav,url=\"http://127.0.0.1:1\":x'", ':webdav,url="http://127.0.0.1:1":x'),
        ("/srv/files/", "/srv/files"),
    ],
)
def test_a_remote_is_what_rclone_takes_as_one(given: str, remote: str) -> None:
    assert parse(f"-u me --remote {given}").task.remote == remote


@pytest.mark.parametrize(
    "given", ["backup", "./backup", "-v:x", "--config=x:y", " x:y", ":x", "a/b:c"]
)
def test_what_rclone_could_take_for_an_option_or_a_file_is_no_remote(given: str) -> None:
    answer = refusal(f"-u me '--remote={given}'")
    assert answer.startswith("--remote: expected REMOTE:PATH, such as gdrive:tdl-sync")
    assert f"found {given!r}" in answer


def test_a_secret_in_a_remote_is_refused_and_not_repeated() -> None:
    for key in ("pass", "client_secret", "token", "secret_access_key"):
        answer = refusal(f"-u me --remote ':s3,provider=x,{key}=hunter2:bucket'")
        assert "put them into rclone's configuration" in answer
        assert "hunter2" not in answer


@pytest.mark.parametrize(
    "flag",
    [
        "--dry-run",
        "--max-size=1M",
        "--exclude=*",
        "--ignore_existing",
        "--no-check-dest",
        "--update",
    ],
)
def test_flags_with_which_rclone_would_claim_what_it_did_not_do_are_refused(flag: str) -> None:
    assert "success for a file that it did not send" in refusal(f"-u me --rclone-arg={flag}")


@pytest.mark.parametrize(
    ("flag", "answer"),
    [
        ("-n", "in their long form"),
        ("8M", "in their long form"),
        ("--", "in their long form"),
        ("--use-json-log=false", "which tdl_sync sets itself"),
        ("--config=/x", "--rclone-config FILE"),
    ],
)
def test_flags_that_break_the_talk_with_rclone_are_refused(flag: str, answer: str) -> None:
    assert answer in refusal(f"-u me --rclone-arg={flag}")


def test_other_flags_go_to_rclone_as_they_are() -> None:
    config = parse("-u me --rclone-arg --bwlimit=8M '--rclone-arg=--drive-chunk-size=64M'")
    assert config.rclone.arguments == ("--bwlimit=8M", "--drive-chunk-size=64M")


def test_a_proxy_is_socks5_or_http() -> None:
    proxy = parse("-u me --proxy socks5://proxy.example:1080").telegram.proxy
    assert proxy is not None
    assert (proxy.scheme, proxy.host, proxy.port) == ("socks5", "proxy.example", 1080)
    settings = parse("login", PROXY="http://me:p%40ss@[::1]:3128/").telegram
    assert settings.connecting_line == "connecting to Telegram through http://[::1]:3128 …"
    assert parse("-u me").telegram.connecting_line == "connecting to Telegram …"
    proxy = settings.proxy
    assert proxy is not None
    assert (proxy.scheme, proxy.host, proxy.port) == ("http", "::1", 3128)
    assert (proxy.username, proxy.password) == ("me", "p@ss")


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("socks5h://h:1", "socks5h is not supported; write socks5"),
        ("https://h:1", "https is not supported; write http"),
        ("socks4://h:1", "expected socks5://host:port or http://host:port"),
        ("h:1080", "expected socks5://host:port or http://host:port"),
        ("socks5://h", "with a host and a port"),
        ("socks5://:1080", "with a host and a port"),
        ("socks5://h:99999", "with a port from 1 to 65535"),
        ("http://h:1/path", "with a host and a port"),
    ],
)
def test_another_proxy_is_refused_with_the_mend(url: str, answer: str) -> None:
    assert answer in refusal(f"-u me --proxy {url}")
    with_password = url.replace("://", "://me:hunter2@") if "://" in url else url
    by_variable = refusal("-u me", PROXY=with_password)
    assert answer in by_variable
    assert "hunter2" not in by_variable


def test_a_password_does_not_belong_on_the_command_line() -> None:
    for url in ("socks5://me:hunter2@h:1", "https://me:hunter2@h:1", "socks5://me:hunter2@h"):
        answer = refusal(f"-u me --proxy {url}")
        assert "set TDL_SYNC_PROXY" in answer
        assert "hunter2" not in answer


def test_credentials_come_from_the_environment_alone() -> None:
    credentials = parse("-u me", API_ID="12345", API_HASH="0123456789abcdef" * 2).telegram
    assert (credentials.api_id, credentials.api_hash) == (12345, "0123456789abcdef" * 2)
    assert parse("-u me", SESSION_STRING=f"{SESSION}\n").telegram.session_string == SESSION
    for name in ("--api-id", "--api-hash", "--session-string"):
        answer = refusal(f"-u me {name}=hunter2")
        assert "set the variable TDL_SYNC_" in answer
        assert "hunter2" not in answer


@pytest.mark.parametrize(
    ("variables", "answer"),
    [
        ({"API_ID": "hunter2", "API_HASH": "a" * 32}, "TDL_SYNC_API_ID: expected a number"),
        ({"API_ID": "7", "API_HASH": "hunter2"}, "TDL_SYNC_API_HASH: expected 32 hexadecimal"),
        ({"API_ID": "7"}, "TDL_SYNC_API_ID is set and TDL_SYNC_API_HASH is not"),
        ({"API_HASH": "a" * 32}, "TDL_SYNC_API_HASH is set and TDL_SYNC_API_ID is not"),
        ({"SESSION_STRING": "hunter2"}, "(362 characters), found 7 characters"),
        ({"SESSION_STRING": SESSION[:-9]}, "found 353 characters: cut off in copying"),
        ({"SESSION_STRING": SESSION[:-1]}, "found 361 characters: cut off in copying"),
        ({"SESSION_STRING": f"'{SESSION}'"}, "found characters that it can't hold"),
        ({"SESSION_STRING": "A" * 351}, "of an old form without an api id"),
        ({"SESSION_STRING": "A" * 362}, "found one that names no data centre of Telegram"),
    ],
)
def test_credentials_of_a_wrong_shape_are_named_and_not_repeated(
    variables: dict[str, str], answer: str
) -> None:
    text = refusal("-u me", **variables)
    assert answer in text
    assert not any(len(value) > 3 and value in text for value in variables.values())


def test_no_secret_is_in_what_is_logged_of_a_config() -> None:
    secrets = {
        "API_HASH": "0123456789abcdef" * 2,
        "SESSION_STRING": SESSION,
        "PROXY": "socks5://hunter1:hunter2@h:1",
        "RCLONE_ARG": "--drive-client-secret=hunter3",
    }
    text = repr(parse("-u me", API_ID="7", **secrets))
    for secret in (secrets["API_HASH"], SESSION, "hunter1", "hunter2", "hunter3"):
        assert secret not in text


def test_data_lives_where_each_user_keeps_program_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def data_dir(places: UserPlaces, **environ: str) -> Path:
        monkeypatch.setattr("tdl_sync.options.directories.PLACES", places)
        return parse_config(["-u", "me"], {**HOME, **environ}).places.data_dir

    home = Path("/home/somebody").absolute()
    assert data_dir(XDG_PLACES) == home / ".local/share/tdl-sync"
    assert data_dir(XDG_PLACES, XDG_DATA_HOME="/xdg") == Path("/xdg/tdl-sync").absolute()
    assert data_dir(XDG_PLACES, XDG_DATA_HOME="xdg") == home / ".local/share/tdl-sync"
    assert data_dir(MAC_PLACES) == home / "Library/Application Support/tdl-sync"
    assert data_dir(MAC_PLACES, XDG_DATA_HOME="/xdg") == data_dir(MAC_PLACES)
    assert data_dir(WINDOWS_PLACES, LOCALAPPDATA="/local") == Path("/local/tdl-sync").absolute()
    assert data_dir(WINDOWS_PLACES, USERPROFILE="/me") == Path("/me/AppData/Local/tdl-sync")


def test_paths_are_absolute_and_know_the_home_directory() -> None:
    config = parse("-u me", DATA_DIR="~/data", RCLONE="~/bin/rclone")
    home = Path("/home/somebody").absolute()
    assert config.places.data_dir == home / "data"
    assert config.places.staging_dir == home / "data" / "staging"
    assert config.rclone.program == str(Path("/home/somebody/bin/rclone"))
    assert parse("-u me --staging fast").places.staging_dir == Path.cwd() / "fast"
    assert "expected a path" in refusal("-u me --staging=-x")
    assert "expected the path or the name" in refusal("-u me --rclone=--x")


def test_the_staging_directory_is_used_for_nothing_else() -> None:
    for staging in ("/data", "/"):
        answer = refusal(f"-u me --data-dir /data --staging {staging}")
        assert "used for nothing else" in answer


def test_the_parser_needs_no_telegram_library() -> None:
    code = "import sys, tdl_sync.options.config; sys.exit('pyrogram' in sys.modules)"
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_a_part_of_each_chat_is_asked_for_as_k_of_n() -> None:
    assert parse("-u me --shard 2/4").task.choice.shard == Shard(2, 4)
    assert parse("verify -u me", SHARD=" 3/3 ").task.choice.shard == Shard(3, 3)
    assert parse("-u me --shard 1/1") == parse("-u me"), "the whole is no part"
    for text in ("5/4", "0/4", "2", "2/4/1", "-1/2"):
        assert (
            f"--shard: expected part K of N as K/N, from 1/N to N/N, such as 2/4, found {text!r}"
            in (refusal(f"-u me --shard={text}"))
        )


def test_copies_may_be_in_another_part_so_dedupe_is_refused_with_one() -> None:
    for command in ("", "verify "):
        told = refusal(f"{command}-u me --dedupe --shard 1/2")
        assert (
            "--dedupe can't go with --shard: a file and its copies may belong to different" in told
        )
    assert parse("-u me --dedupe --shard 1/1").task.choice.dedupe


def test_what_there_is_one_of_for_a_chat_is_kept_with_its_first_part() -> None:
    for shard, is_first in (("1/4", True), ("2/4", False), ("1/1", True)):
        task = parse(f"-u me --text --catalogue --shard {shard}").task
        assert (task.texts, task.catalogue) == (is_first, is_first)


def test_what_gives_way_may_be_the_only_copy_of_others_so_over_is_refused_with_dedupe() -> None:
    with pytest.raises(UsageError, match="can't go with --dedupe"):
        parse("-u @channel --dedupe --replaced=over")
    assert parse("-u @channel --dedupe --replaced=beside").task.choice.dedupe
