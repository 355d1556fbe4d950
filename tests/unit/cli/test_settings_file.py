"""What may stand in the settings file, what wins over it, and what is answered when it is wrong."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from tdl_sync.cli.parse import TextRequested, parse_config
from tdl_sync.cli.usage import ABOUT_THE_PROGRAM, OF_CHAT, OPTIONS
from tdl_sync.core.errors import EXIT_USAGE, UsageError
from tdl_sync.core.operating_system import MAC_PLACES, WINDOWS_PLACES, XDG_PLACES
from tdl_sync.options.chat_spelling import ByUsername
from tdl_sync.options.config import Config
from tests.unit.cli.test_parse import SESSION

ALONE = "".join(f'\n[[chat]]\nurl = "{name}"\n' for name in ("@films", "@music"))


class Home:
    """A user's home with a settings file in the place for it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / ".config" / "tdl-sync" / "config.toml"
        self.path.parent.mkdir(parents=True)
        self.environ = {"HOME": str(directory)}

    def write(self, text: str | bytes, mode: int = 0o600) -> None:
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.path.chmod(mode)

    def parse(self, command_line: str = "", **variables: str) -> Config:
        environ = {f"TDL_SYNC_{name}": text for name, text in variables.items()}
        return parse_config(shlex.split(command_line), {**self.environ, **environ})

    def refusal(self, text: str | bytes | None = None, command_line: str = "") -> str:
        if text is not None:
            self.write(text)
        with pytest.raises(UsageError) as caught:
            self.parse(command_line)
        assert caught.value.exit_status == EXIT_USAGE
        said = str(caught.value)
        assert "\n" not in said
        return said

    def shown(self, command_line: str = "config", **variables: str) -> str:
        with pytest.raises(TextRequested) as caught:
            self.parse(command_line, **variables)
        return caught.value.text


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    # One place whatever the system; where each has its own is another test.
    monkeypatch.setattr(sys, "platform", "linux")
    return Home(tmp_path)


EVERY_KIND = """
url = ["@channel", "me"]
max-disk = 7               # as on the command line: GB
workers = 2
save-interval = "90s"
grace = 2.5
min-size = "4kB"
since = 2024-01-31
until = 2024-03-01T12:00:00Z
type = ["video", "photo"]
include = "mp4,mkv"
name = "{date:%Y}/{stem}.{ext}"
sidecar = true
follow = false
rclone-arg = ["--bwlimit=8M", "--tpslimit=5"]
"""


def test_every_kind_of_value_is_written_as_toml_has_it(home: Home) -> None:
    home.write(EVERY_KIND)
    typed = (
        "-u @channel -u me --max-disk 7 --workers 2 --save-interval 90s --grace 2.5 "
        "--min-size 4kB --since 2024-01-31 --until 2024-03-01T12:00 --type video,photo "
        "--include mp4,mkv --name {date:%Y}/{stem}.{ext} --sidecar --rclone-arg=--bwlimit=8M "
        "--rclone-arg=--tpslimit=5"
    )
    by_file = home.parse()
    home.path.unlink()
    assert by_file == home.parse(typed)


def test_a_chat_has_a_table_of_its_own_over_what_holds_for_all(home: Home) -> None:
    home.write(
        'remote = "box:all"\nsidecar = true\nexclude = "txt"\nfollow = true\nurl = "@plain"\n'
        '[[chat]]\nurl = "@films"\nremote = "crypt:films"\ninclude = ["mkv"]\nsidecar = false\n'
        '[[chat]]\nurl = ["@music", "@talks"]\ncomments = true\nname = "{stem}.{ext}"\n'
    )
    config = home.parse()
    assert config.running.follow
    assert list(config.by_remote) == ["box:all", "crypt:films"]
    plain, films, music = config.groups
    assert plain.chats.spellings == (ByUsername("plain"),)
    assert plain.task.choice.filters.excluded_extensions == {"txt"}
    assert plain.task.keeping.with_sidecar
    assert not films.task.keeping.with_sidecar
    # Of what excludes each other the chat's own holds.
    assert films.task.choice.filters.included_extensions == {"mkv"}
    assert not films.task.choice.filters.excluded_extensions
    assert (films.chats.comments, music.chats.comments) == (False, True)
    assert (films.task.remote, music.task.remote) == ("crypt:films", "box:all")
    assert music.chats.spellings == (ByUsername("music"), ByUsername("talks"))


def test_command_line_wins_over_environment_over_table_over_file(home: Home) -> None:
    home.write(
        'remote = "box:1"\nsidecar = true\nworkers = 2\n[[chat]]\nurl = "@films"\nremote = "box:2"'
    )

    def remote(command_line: str = "", **variables: str) -> str:
        (group,) = home.parse(command_line, **variables).groups
        return group.task.remote

    assert remote() == "box:2"
    assert remote(REMOTE="box:3") == "box:3"
    assert remote("--remote box:4", REMOTE="box:3") == "box:4"
    assert remote("-u @other") == "box:1"
    (group,) = home.parse(SIDECAR="no", WORKERS="5").groups
    assert not group.task.keeping.with_sidecar
    assert group.running.workers == 5
    assert home.parse("--workers 6", WORKERS="5").running.workers == 6


def test_what_a_run_tells_and_carries_is_of_the_whole_run_and_a_catalogue_of_each_chat(
    home: Home,
) -> None:
    of_the_run = (
        'bwlimit = "8M:off"\nexec = "notify \'all done\'"\nexec-file = "scan"\n'
        'page = "~/watch.html"\nmetrics = "~/tdl.prom"\n'
    )
    home.write(of_the_run + "catalogue = true" + ALONE + "catalogue = false\n")
    config = home.parse()
    assert [group.task.catalogue for group in config.groups] == [True, False]
    assert [group.running.bandwidth for group in config.groups] == [config.rclone.bandwidth] * 2
    typed = (
        "-u me --bwlimit 8M:off --exec \"notify 'all done'\" --exec-file scan --page ~/watch.html "
        "--metrics ~/tdl.prom"
    )
    home.write(of_the_run)
    by_file = home.parse("-u me")
    home.path.unlink()
    assert by_file == home.parse(typed)
    for line in of_the_run.splitlines():
        name = line.partition(" ")[0]
        said = home.refusal(f"[[chat]]\nurl = '@aaa'\n{line}")
        assert f"{name!r} is of the whole run, not of one chat" in said


def test_the_page_of_the_runs_is_not_written_by_status_unless_it_is_asked_for(home: Home) -> None:
    home.write('page = "~/watch.html"')
    assert home.parse("-u me").telling.page is not None
    assert home.parse("status").telling.page is None
    assert home.parse("status --page ~/watch.html").telling.page is not None
    assert home.parse("status", PAGE="~/watch.html").telling.page is not None


def test_what_is_named_by_hand_is_all_that_is_moved_and_as_its_table_says(home: Home) -> None:
    home.write('url = "@plain"\n[[chat]]\nurl = "@films"\nremote = "box:films"\n')
    (films,) = home.parse("-u https://t.me/FILMS/7").groups
    assert films.task.remote == "box:films"
    assert films.chats.spellings == (ByUsername("films", 7),)
    (other,) = home.parse(URL="@other").groups
    assert other.task.remote == "gdrive:tdl-sync"
    # Under a name that is not in the file it is found when Telegram has told which chat it is.
    assert other.left_out == (ByUsername("films"),)


def test_other_commands_take_what_is_theirs(home: Home, tmp_path: Path) -> None:
    home.write(f'data-dir = "{tmp_path / "data"}"\nproxy = "socks5://localhost:1080"\n{ALONE}')
    for command in ("login", "chats", "status", "doctor", "find beach", "verify"):
        config = home.parse(command)
        assert config.places.data_dir == tmp_path / "data"
        assert config.telegram.proxy is not None
    assert [each.chats.spellings for each in config.groups] == [
        (ByUsername("films"),),
        (ByUsername("music"),),
    ]


def test_status_shows_all_that_was_moved_unless_chats_are_named_by_hand(home: Home) -> None:
    home.write('url = "@plain"\n' + ALONE)
    assert home.parse("status").chats.spellings == ()
    assert home.parse("status -u @films").names_chats
    assert home.parse("verify").chats.spellings == (ByUsername("plain"),)


def test_another_file_can_be_named(home: Home, tmp_path: Path) -> None:
    home.write("workers = 2")
    other = tmp_path / "other.toml"
    other.write_text("workers = 3")
    other.chmod(0o600)
    assert home.parse("-u me").running.workers == 2
    assert home.parse(f"-u me --config {other}").running.workers == 3
    assert home.parse("-u me", CONFIG=str(other)).running.workers == 3
    assert home.parse(f"-u me --config {os.devnull}", CONFIG=str(other)).running.workers == 3
    assert home.parse("-u me --config ~/other.toml").running.workers == 3
    assert "there is no file" in home.refusal(command_line="-u me --config nowhere.toml")


def test_where_the_users_own_is_on_each_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [
        (XDG_PLACES, {"HOME": str(tmp_path)}, ".config"),
        (MAC_PLACES, {"HOME": str(tmp_path)}, "Library/Application Support"),
        (WINDOWS_PLACES, {"USERPROFILE": str(tmp_path)}, "AppData/Roaming"),
        (WINDOWS_PLACES, {"APPDATA": str(tmp_path / "roaming"), "USERPROFILE": "/x"}, "roaming"),
    ]
    if sys.platform != "win32":
        places.append((XDG_PLACES, {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": "/x"}, "xdg"))
    for of_system, environ, below in places:
        path = tmp_path / below / "tdl-sync" / "config.toml"
        path.parent.mkdir(parents=True)
        path.write_text("workers = 9")
        path.chmod(0o600)
        with monkeypatch.context() as patch:
            patch.setattr("tdl_sync.options.directories.PLACES", of_system)
            assert parse_config(["-u", "me"], environ).running.workers == 9


def test_a_home_without_a_file_or_without_a_home_is_no_error(tmp_path: Path) -> None:
    for home in (tmp_path, tmp_path / "nowhere", Path(os.devnull)):
        environ = {"HOME": str(home), "USERPROFILE": str(home), "TDL_SYNC_DATA_DIR": "/d"}
        assert parse_config(["-u", "me"], environ).running.workers == 3


# --- what is wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("worker = 3", "config.toml: unknown key 'worker'; did you mean 'workers'?"),
        ("max_disk = 3", "did you mean 'max-disk'?"),
        ("[chat]\nurl = '@aaa'", "begins with [[chat]], in double brackets"),
        ("[[chats]]\nurl = '@aaa'", "chats: expected a file with a chat in each line"),
        ("[chats.films]\nurl = '@aaa'", "chats: expected a file with a chat in each line"),
        (
            "max-disk = [1, 2]",
            'expected a text in quotes ("…") or a number, found a list',
        ),
        ("[[channel]]\nurl = '@aaa'", "unknown key 'channel'; did you mean '[[chat]]'?"),
        ("[[chat]]\nremote = 'a:b'", "[[chat]] 1: it names no chat; add a line such as url"),
        (
            "[[chat]]\nurl = '@aaa'\nremot = 'a:'",
            "1 ('@aaa'): unknown key 'remot'; did you",
        ),
        (
            "[[chat]]\nurl = '@aaa'\n[[chat]]\nurl = '@bbb'\nstaging = '/tmp/x'",
            "[[chat]] 2 ('@bbb'): 'staging' is of the whole run, not of one chat; put it above",
        ),
        ("[[chat]]\nurl = '@aaa'\nworkers = 3", "'workers' is of the whole run"),
        ("[[chat]]\nurl = '@aaa'\nfollow = true", "'follow' is of the whole run"),
        ("[[chat]]\nurl = '@aaa'\napi-id = 3", "'api-id' is of the whole run"),
        (
            "[[chat]]\nurl = '@aaa'\nmin-size = 'x'",
            "1 ('@aaa'), min-size: expected a size",
        ),
        ("[[chat]]\nurl = '@aaa b'", "[[chat]] 1 ('@aaa b'), url: '@aaa b' is not a user name"),
        ("workers = 99", "config.toml, workers: expected a whole number from 1 to 32, found '99'"),
        ("workers = 2\nworkers = 3", "is not TOML: "),
        ("workers = 2\n\nworkers 3", "line 3"),
        ("remote = gdrive:films", "texts are in quotes"),
        ("sidecar = 'yes'", "sidecar: expected true or false, found 'yes'"),
        ("sidecar = 1", "sidecar: expected true or false, found 1"),
        ("workers = true", "workers: expected a text in quotes"),
        ("max-disk = [1, 2]", "max-disk: expected a text in quotes"),
        ("max-disk = 1979-05-27", "max-disk: expected a size"),
        ("max-disk = inf", "max-disk: expected a size"),
        ("since = 07:32:00", "since: expected a text in quotes"),
        ("since = 'x'", "since: expected a date"),
        ("remote = ''", "remote: the value is empty; leave the line out for none"),
        ("url = []", "url: the list is empty"),
        ("url = [['@aaa']]", "url: expected a text in quotes"),
        ("help = true", "unknown key 'help'"),
        ("config = 'x'", "unknown key 'config'"),
        ("max-disk = " + "9" * 5000, "holds what no option takes"),
        ("type = " + "[" * 5000, "holds what no option takes"),
        (b"remote = 'caf\xe9:'", "not UTF-8 text (at line 1)"),
        ("remote = 'a:'".encode("utf-16"), "not UTF-8 text"),
        ("a = 1\n" * 200_000, "larger than 1 MB"),
        ("\x00", "is not TOML"),
        (
            "[[chat]]\nurl = '@aaa'\n[[chat]]\nurl = 'https://t.me/AAA'",
            "to the same remote by",
        ),
        ("[[chat]]\nurl = ['@aaa', 't.me/aaa/5']", "to the same remote by"),
        ("follow = true\n[[chat]]\nurl = '@aaa'\nlimit = 3", "follow and "),
        ("[[chat]]\nurl = '@aaa'\ninclude = 'a'\nexclude = 'b'", "exclude each other"),
        ("topic = 5\n" + ALONE, "--topic is a topic of one chat, and 2 chats are given"),
        (
            "[[chat]]\nurl = ['@aaa', '@bbb']\ntopic = 5",
            "1 ('@aaa'): --topic is a topic",
        ),
        ("api-id = 'x'", "config.toml, api-id: expected a number such as 1234567"),
        ("api-id = 5", "config.toml, api-id is set and TDL_SYNC_API_HASH is not"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_what_is_right(
    home: Home, text: str | bytes, expected: str
) -> None:
    said = home.refusal(text)
    assert expected in said
    assert str(home.path) in said or "--topic is" in said


def test_restart_by_hand_does_not_widen_what_a_table_narrows(home: Home) -> None:
    said = home.refusal("[[chat]]\nurl = '@aaa'\nfrom-id = 50", "--restart")
    assert "from-id and --restart exclude each other" in said


def test_a_directory_in_its_place_is_named(home: Home) -> None:
    home.path.mkdir()
    assert "is a directory; name the file in it with --config" in home.refusal()


@pytest.mark.parametrize("text", ["", "# nothing\n", "\ufeff", "\r\n\r\n"])
def test_an_empty_file_says_nothing(home: Home, text: str) -> None:
    home.write(text)
    assert home.parse("-u me").running.workers == 3
    assert "no chat is given" in home.refusal()


def test_a_byte_order_mark_and_windows_line_ends_are_understood(home: Home) -> None:
    home.write(b"\xef\xbb\xbfworkers = 2\r\ngrace = 1\r\n")
    assert home.parse("-u me").running.workers == 2


def test_every_option_but_those_of_the_program_itself_can_stand_in_the_file(home: Home) -> None:
    for name, option in OPTIONS.items():
        if name in ABOUT_THE_PROGRAM or name == "--config":
            continue
        home.write(f"{name.removeprefix('--')} = {{}}")
        said = home.refusal(command_line="-u me")
        assert f"{name.removeprefix('--')}: expected" in said, said
        assert option.name in OPTIONS
    for name in OF_CHAT:
        home.write(f"[[chat]]\n{name.removeprefix('--')} = {{}}")
        assert f"{name.removeprefix('--')}: expected" in home.refusal()


# --- secrets and others -------------------------------------------------------------------------

SECRETS = {
    "session-string": SESSION,
    "api-id": "1234567",
    "api-hash": "0123456789abcdef" * 2,
    "proxy": "socks5://me:hunter2@localhost:1080",
    "exec": "curl https://ntfy.sh/a_topic_that_nobody_guesses",
    "exec-file": "curl https://api.telegram.org/bot12345:AAbbCC/sendMessage",
}


def with_secrets() -> str:
    return "".join(f'{key} = "{text}"\n' for key, text in SECRETS.items())


@pytest.mark.skipif(sys.platform == "win32", reason="permissions as POSIX has them")
@pytest.mark.parametrize("key", SECRETS)
def test_a_secret_counts_only_in_a_file_that_nobody_else_can_read(home: Home, key: str) -> None:
    home.write(with_secrets())
    settings = home.parse("-u me").telegram
    assert settings.session_string == SESSION
    assert (settings.api_id, settings.api_hash) == (1234567, SECRETS["api-hash"])
    home.write(f'{key} = "{SECRETS[key]}"', mode=0o644)
    said = home.refusal(command_line="-u me")
    assert f"{key}: this is, or may hold, a secret" in said
    assert f"chmod 600 {home.path}" in said
    assert SECRETS[key] not in said
    home.write("workers = 2", mode=0o644)
    assert home.parse("-u me").running.workers == 2


def test_variables_win_over_the_secrets_of_the_file(home: Home) -> None:
    home.write(with_secrets())
    assert home.parse("-u me", API_ID="7").telegram.api_id == 7


@pytest.mark.skipif(sys.platform == "win32", reason="permissions as POSIX has them")
def test_a_file_that_others_can_write_is_refused(home: Home) -> None:
    home.write("workers = 2", mode=0o666)
    assert "can be written by other users" in home.refusal(command_line="-u me")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="takes two users")
def test_a_file_of_somebody_else_and_a_link_of_theirs_are_refused(
    home: Home, tmp_path: Path
) -> None:
    home.write("workers = 2")
    os.chown(home.path, 4711, 4711)
    assert "belongs to user 4711" in home.refusal(command_line="-u me")
    os.chown(home.path, 0, 0)
    real = home.path.rename(tmp_path / "mine.toml")
    home.path.symlink_to(real)
    assert home.parse("-u me").running.workers == 2
    os.chown(home.path, 4711, 4711, follow_symlinks=False)
    assert "is reached by the link" in home.refusal(command_line="-u me")


# --- config -------------------------------------------------------------------------------------


def test_config_shows_what_holds_and_where_it_came_from_and_no_secret(home: Home) -> None:
    home.write(
        with_secrets() + 'workers = 2\ndownloads = 5\nsidecar = true\nbwlimit = "8M"\n'
        'page = "~/watch.html"\n[[chat]]\nurl = "@films"\nremote = "box:films"\nlimit = 7\n'
        "catalogue = true\n"
    )
    shown = home.shown("config --workers 6 --remote box:x", DOWNLOADS="8")
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[0] == f"# {home.path}"
    for line in (
        'workers = "6" # command line',
        'remote = "box:x" # command line',
        'downloads = "8" # TDL_SYNC_DOWNLOADS',
        "sidecar = true # settings file",
        'max-disk = "50" # default',
        "# session-string (not shown: it may hold a secret) # settings file",
        "# proxy (not shown: it may hold a secret) # settings file",
        "# exec-file (not shown: it may hold a secret) # settings file",
        'bwlimit = "8M" # settings file',
        'page = "~/watch.html" # settings file',
        "[[chat]]",
        'url = ["@films"] # this table',
        'remote = "box:films" # but --remote wins',
        'limit = "7" # this table',
        "catalogue = true # this table",
    ):
        assert line in lines, line
    for secret in (SESSION, SECRETS["api-hash"], "hunter2", "a_topic", "AAbbCC"):
        assert secret not in shown


def test_what_config_shows_could_be_the_file(home: Home) -> None:
    home.write(EVERY_KIND + '[[chat]]\nurl = "@films"\nname = "a\\\\b \\"c\\" {stem}"\n')
    before, shown = home.parse("-u me -u @films"), home.shown()
    home.write(shown)
    assert home.parse("-u me -u @films") == before


def test_config_says_where_there_is_none_and_what_is_wrong(home: Home) -> None:
    assert home.shown().startswith("# no settings file\n")
    assert "unknown key" in home.refusal("x = 1", "config")
