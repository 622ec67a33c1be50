"""What archives are refused for, and what comes out of good ones."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from headrace.errors import InvalidInput
from headrace.storage.archive_limits import ArchiveLimits
from headrace.storage.archive_members import ArchiveMember
from headrace.storage.archives import archive_kind, read_archive
from headrace.storage.containers import LocalContainer

LIMITS = ArchiveLimits()


def read_all(path: Path, *, limits: ArchiveLimits = LIMITS, allow_nested: bool = True) -> dict[str, bytes]:
    kind = archive_kind(path.name)
    assert kind is not None
    container = LocalContainer(str(path))
    members = read_archive(container, kind=kind, limits=limits, allow_nested=allow_nested)
    return {member.path: content(member, container) for member in members}


def content(member: ArchiveMember, container: LocalContainer) -> bytes:
    if member.data is not None:
        return member.data
    if member.fetch is not None:
        return member.fetch()
    assert member.offset is not None
    return container.read_at(member.offset, member.size)


def tar_bytes(members: list[tuple[str, bytes]], *, tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as tar:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def special_tar(kind: bytes, *, name: str = "a.jpg") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.type = kind
        entry.linkname = "/etc/passwd"
        tar.addfile(entry)
    return buffer.getvalue()


def zip_bytes(members: list[tuple[str, bytes]], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return buffer.getvalue()


def compressed(data: bytes, codec: str) -> bytes:
    return gzip.compress(data) if codec == "gz" else bytes(pa.compress(data, codec="zstd", asbytes=True))


MEMBERS = [
    ("a.txt", b"one"),
    ("folder/b.bin", bytes(range(256)) * 9),
    ("ünïcode/ç.txt", b""),
    ("x" * 140 + "/y.txt", b"y"),
]


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz", ".tar.zst"])
def test_tar_gives_members_in_order(tmp_path: Path, tar_format: int, suffix: str) -> None:
    data = tar_bytes(MEMBERS, tar_format=tar_format)
    if suffix != ".tar":
        data = compressed(data, "zst" if suffix.endswith("zst") else "gz")
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    assert list(read_all(path).items()) == MEMBERS


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_gives_members_in_order(tmp_path: Path, method: int) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zip_bytes(MEMBERS, method=method))
    assert list(read_all(path).items()) == MEMBERS


def test_zip_with_bytes_before_it_is_read(tmp_path: Path) -> None:
    """Self-extracting archives."""
    path = tmp_path / "a.zip"
    path.write_bytes(b"#!/bin/sh\n" * 20 + zip_bytes(MEMBERS))
    assert list(read_all(path).items()) == MEMBERS


def test_zip64_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for idx in range(3):
            with archive.open(zipfile.ZipInfo(f"{idx}.txt"), "w", force_zip64=True) as member:
                member.write(b"x" * idx)
    assert read_all(path) == {"0.txt": b"", "1.txt": b"x", "2.txt": b"xx"}


def test_zip_with_more_than_65535_members_is_read(tmp_path: Path) -> None:
    """Without zip64, as some programs write it: the count in the directory's end wraps around."""
    num_members = 65_600
    local, directory = [], []
    for idx in range(num_members):
        name = b"%05d" % idx
        offset = idx * 35
        local.append(struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 5, 0) + name)
        directory.append(
            struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, offset) + name
        )
    entries = b"".join(directory)
    wrapped = num_members & 0xFFFF
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, wrapped, wrapped, len(entries), num_members * 35, 0)
    path = tmp_path / "a.zip"
    path.write_bytes(b"".join(local) + entries + end)
    members = list(read_archive(LocalContainer(str(path)), kind="zip", limits=LIMITS))
    assert [member.path for member in members] == [f"{idx:05d}" for idx in range(num_members)]
    assert content(members[-1], LocalContainer(str(path))) == b""


def test_zip_written_to_a_pipe_is_read(tmp_path: Path) -> None:
    """Sizes then follow the content, and the member's own header holds zeros."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise io.UnsupportedOperation

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"one" * 100)
    path = tmp_path / "a.zip"
    path.write_bytes(pipe.getvalue())
    assert read_all(path) == {"a.txt": b"one" * 100}


def test_zip_members_are_read_from_many_threads(tmp_path: Path) -> None:
    members = [(f"{idx}.bin", bytes([idx]) * 20_000) for idx in range(50)]
    path = tmp_path / "a.zip"
    path.write_bytes(zip_bytes(members))
    container = LocalContainer(str(path))
    found = list(read_archive(container, kind="zip", limits=LIMITS))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda member: content(member, container), found)) == [data for _, data in members]


def test_plain_tar_members_lie_at_their_offset(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes(MEMBERS))
    raw = path.read_bytes()
    for member, (_, data) in zip(read_archive(LocalContainer(str(path)), kind="tar", limits=LIMITS), MEMBERS):
        assert member.offset is not None
        assert raw[member.offset : member.offset + member.size] == data


@pytest.mark.parametrize("make", [zip_bytes, tar_bytes])
def test_clutter_is_left_out(tmp_path: Path, make: Callable[[list[tuple[str, bytes]]], bytes]) -> None:
    clutter = [
        ("__MACOSX/._a.txt", b"."),
        (".DS_Store", b"."),
        ("b/.DS_Store", b"."),
        (".hidden/c", b"."),
        ("b/._d", b"."),
    ]
    path = tmp_path / ("a.zip" if make is zip_bytes else "a.tar")
    path.write_bytes(make([*clutter, ("./b//c.txt", b"good")]))
    assert read_all(path) == {"b/c.txt": b"good"}


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../evil.txt", "climbs"),
        ("a/../../evil.txt", "climbs"),
        ("a/..", "climbs"),
        ("/etc/passwd", "absolute"),
        ("//host/share", "absolute"),
        ("C:/evil.txt", "drive"),
        ("c:evil.txt", "drive"),
        ("..\\evil.txt", "backslash"),
        ("\\\\host\\share", "backslash"),
        ("a\\b.txt", "backslash"),
        (".hidden/../../evil", "climbs"),
        ("long/" * 900, "longer"),
    ],
)
def test_name_that_escapes_is_refused(tmp_path: Path, suffix: str, name: str, expected: str) -> None:
    path = tmp_path / f"a{suffix}"
    members = [("good.txt", b"1"), (name, b"2")]
    data = zip_bytes(members) if suffix == ".zip" else tar_bytes(members)
    path.write_bytes(gzip.compress(data) if suffix == ".tar.gz" else data)
    with pytest.raises(InvalidInput, match=expected) as caught:
        read_all(path)
    assert caught.value.file == str(path)


def test_nul_in_a_zip_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zip_bytes([("aXb.txt", b"1")]).replace(b"aXb.txt", b"a\0b.txt"))
    with pytest.raises(InvalidInput, match="NUL"):
        read_all(path)


def test_nul_in_a_pax_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes([("ü" * 80 + "X.txt", b"1")]).replace(b"X.txt\n", b"\0.txt\n"))
    with pytest.raises(InvalidInput, match="NUL"):
        read_all(path)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "character device"),
        (tarfile.BLKTYPE, "block device"),
        (tarfile.FIFOTYPE, "named pipe"),
        (tarfile.GNUTYPE_SPARSE, "sparse"),
        (b"M", "volume"),
        (b"z", "unknown tar type"),
    ],
)
def test_tar_member_that_is_no_file_is_refused(tmp_path: Path, kind: bytes, expected: str) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(special_tar(kind))
    with pytest.raises(InvalidInput, match=expected) as caught:
        read_all(path)
    assert "a.jpg" in caught.value.message


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_zip_member_that_is_no_file_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("link.jpg")
        entry.create_system = 3
        entry.external_attr = (mode | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(InvalidInput, match=r"link\.jpg"):
        read_all(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("suffix", [".zip", ".tar"])
@pytest.mark.parametrize("second", ["ä.txt", "./ä.txt", "a\u0308.txt"])
def test_duplicate_name_is_refused(tmp_path: Path, suffix: str, second: str) -> None:
    """Also when only the encoding of an accent differs."""
    members = [("ä.txt", b"1"), (second, b"2")]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(zip_bytes(members) if suffix == ".zip" else tar_bytes(members))
    with pytest.raises(InvalidInput, match="twice"):
        read_all(path)


def test_encrypted_zip_member_is_refused(tmp_path: Path) -> None:
    data = bytearray(zip_bytes([("a.txt", b"1")]))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match="encrypted"):
        read_all(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_method_that_is_not_supported_is_named(tmp_path: Path, method: int) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zip_bytes([("a.txt", b"1" * 100)], method=method))
    with pytest.raises(InvalidInput, match=r"bzip2|LZMA"):
        read_all(path)


def test_zip_bomb_by_ratio_is_refused_while_reading(tmp_path: Path) -> None:
    """With a directory that lies about the size, so only reading can tell."""
    data = bytearray(zip_bytes([("a.bin", bytes(20_000_000))]))
    directory = data.index(b"PK\x01\x02")
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match="bomb"):
        read_all(path)
    struct.pack_into("<L", data, directory + 24, 1000)
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match="declares 1,000 bytes and holds at least"):
        read_all(path)


def test_zip_with_overlapping_entries_is_refused(tmp_path: Path) -> None:
    """The better zip bomb: many directory entries share one compressed kernel."""
    kernel = zip_bytes([("a.bin", bytes(100_000))])
    start = kernel.index(b"PK\x01\x02")
    directory = kernel[start : kernel.index(b"PK\x05\x06")]
    second = directory.replace(b"a.bin", b"b.bin")
    both = directory + second
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(both), start, 0)
    path = tmp_path / "a.zip"
    path.write_bytes(kernel[:start] + both + end)
    with pytest.raises(InvalidInput, match="overlaps"):
        read_all(path)


def test_zip_entry_that_reaches_into_the_next_by_its_own_extra_field_is_refused(tmp_path: Path) -> None:
    data = bytearray(zip_bytes([("a.bin", b"12345"), ("b.bin", b"12345")], method=zipfile.ZIP_STORED))
    struct.pack_into("<H", data, 28, 60)  # extra size in the first member's own header
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match="overlaps"):
        read_all(path)


def test_zip_whose_headers_contradict_each_other_is_refused(tmp_path: Path) -> None:
    data = zip_bytes([("a.bin", b"12345")], method=zipfile.ZIP_STORED)
    path = tmp_path / "a.zip"
    path.write_bytes(data.replace(b"a.bin", b"x.bin", 1))
    with pytest.raises(InvalidInput, match="expected both to agree"):
        read_all(path)


@pytest.mark.parametrize("size", [1, 3, 500])
def test_zip_with_a_lying_size_is_refused(tmp_path: Path, size: int) -> None:
    data = bytearray(zip_bytes([("a.bin", b"12345")]))
    struct.pack_into("<L", data, data.index(b"PK\x01\x02") + 24, size)
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match="declares"):
        read_all(path)


def test_zip_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    data = zip_bytes([("a.bin", b"12345")], method=zipfile.ZIP_STORED).replace(b"12345", b"12346")
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match="checksum"):
        read_all(path)


def test_zip_with_a_damaged_stream_is_refused(tmp_path: Path) -> None:
    data = bytearray(zip_bytes([("a.bin", zlib.compress(bytes(range(256)) * 20))]))
    data[40:60] = b"\xff" * 20
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match=r"a\.bin"):
        read_all(path)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.zst"])
@pytest.mark.parametrize("data", [b"", b"this is no archive at all, but some text" * 30])
def test_file_that_is_no_archive_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InvalidInput) as caught:
        read_all(path)
    assert caught.value.file == str(path)


def test_zip_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    data = zip_bytes(MEMBERS)
    path = tmp_path / "a.zip"
    for end in range(0, len(data) - 1, 23):
        path.write_bytes(data[:end])
        with pytest.raises(InvalidInput):
            read_all(path)


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
def test_tar_that_is_cut_off_is_refused(tmp_path: Path, suffix: str) -> None:
    """At every place, member bounds included."""
    data = tar_bytes(MEMBERS, tar_format=tarfile.GNU_FORMAT)
    end_mark = len(data.rstrip(b"\0")) // 512 * 512 + 512
    path = tmp_path / f"a{suffix}"
    for end in {*range(1, end_mark, 512), *range(512, end_mark, 512), end_mark}:
        piece = data[:end]
        path.write_bytes(piece if suffix == ".tar" else compressed(piece, "zst" if suffix == ".tar.zst" else "gz"))
        with pytest.raises(InvalidInput, match=r"cut off|not a tar"):
            read_all(path)


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.zst"])
def test_compressed_stream_that_is_cut_off_is_refused(tmp_path: Path, suffix: str) -> None:
    data = compressed(tar_bytes(MEMBERS), "zst" if suffix == ".tar.zst" else "gz")
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data[:-5])
    with pytest.raises(InvalidInput, match="cut off"):
        read_all(path)


def test_tar_with_a_damaged_header_in_the_middle_is_refused(tmp_path: Path) -> None:
    """The standard library would take it for the end and lose the rest."""
    data = bytearray(tar_bytes([("a.txt", b"1"), ("b.txt", b"2"), ("c.txt", b"3")], tar_format=tarfile.USTAR_FORMAT))
    data[1024] ^= 1
    path = tmp_path / "a.tar"
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match="offset 1,024"):
        read_all(path)


def test_tar_with_a_lying_size_is_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("a.txt")
    entry.size = 1 << 31
    data = entry.tobuf(tarfile.USTAR_FORMAT) + bytes(2048)
    for suffix in (".tar", ".tar.gz"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(gzip.compress(data) if suffix == ".tar.gz" else data)
        with pytest.raises(InvalidInput, match=r"'a\.txt' needs 2,147,483,648 bytes"):
            read_all(path)


def test_tar_bomb_by_ratio_is_refused_while_reading(tmp_path: Path) -> None:
    for codec in ("gz", "zst"):
        path = tmp_path / f"a.tar.{codec}"
        path.write_bytes(compressed(tar_bytes([("a.bin", bytes(50_000_000))]), codec))
        with pytest.raises(InvalidInput, match="bomb"):
            read_all(path)


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (ArchiveLimits(max_members=2), "more than 2 entries"),
        (ArchiveLimits(max_member_bytes=5), "holds 6 bytes"),
        (ArchiveLimits(max_total_bytes=10), "more than 10 bytes"),
    ],
)
def test_limit_that_is_passed_is_named(tmp_path: Path, suffix: str, limits: ArchiveLimits, expected: str) -> None:
    members = [("a", b"1"), ("b", b"123456"), ("c", b"1234")]
    path = tmp_path / f"a{suffix}"
    data = zip_bytes(members) if suffix == ".zip" else tar_bytes(members)
    path.write_bytes(gzip.compress(data) if suffix == ".tar.gz" else data)
    with pytest.raises(InvalidInput, match=expected):
        read_all(path, limits=limits)


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
@pytest.mark.parametrize("name", ["inner.zip", "inner.tar.gz", "inner.jpg"])
def test_nested_archive_is_refused_where_asked(tmp_path: Path, suffix: str, name: str) -> None:
    """By name, and by content whatever the name."""
    members = [("a.jpg", b"1"), (name, zip_bytes([("b", b"2")]))]
    path = tmp_path / f"a{suffix}"
    data = zip_bytes(members) if suffix == ".zip" else tar_bytes(members)
    path.write_bytes(gzip.compress(data) if suffix == ".tar.gz" else data)
    with pytest.raises(InvalidInput, match="archive itself"):
        read_all(path, allow_nested=False)
    assert list(read_all(path)) == ["a.jpg", name]


def test_tar_extension_headers_without_end_are_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("././@LongLink")
    entry.type = tarfile.GNUTYPE_LONGNAME
    entry.size = 4
    block = entry.tobuf(tarfile.GNU_FORMAT) + b"abc\0".ljust(512, b"\0")
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes([("a", b"1")])[:1024] + block * 20)
    with pytest.raises(InvalidInput, match="extension headers"):
        read_all(path)
    entry.size = 1 << 30
    path.write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(InvalidInput, match="extension header of"):
        read_all(path)


def test_tar_with_pax_size_is_read(tmp_path: Path) -> None:
    """A header's own size field is then not the one that counts."""
    record = b"%d size=3\n" % len(b"10 size=3\n")
    pax = tarfile.TarInfo("pax")
    pax.type = tarfile.XHDTYPE
    pax.size = len(record)
    entry = tarfile.TarInfo("a.txt")
    path = tmp_path / "a.tar"
    path.write_bytes(
        pax.tobuf(tarfile.USTAR_FORMAT)
        + record.ljust(512, b"\0")
        + entry.tobuf(tarfile.USTAR_FORMAT)
        + b"abc".ljust(512, b"\0")
        + bytes(1024)
    )
    assert read_all(path) == {"a.txt": b"abc"}


def test_tar_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        tar.addfile(tarfile.TarInfo("ü.txt"))
    path = tmp_path / "a.tar"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(InvalidInput, match="not UTF-8"):
        read_all(path)


def test_tar_folders_and_old_folder_names_are_no_members(tmp_path: Path) -> None:
    folder = tarfile.TarInfo("b/")
    folder.type = tarfile.AREGTYPE
    data = (
        special_tar(tarfile.DIRTYPE, name="a")[:512] + folder.tobuf(tarfile.USTAR_FORMAT) + tar_bytes([("b/c", b"1")])
    )
    path = tmp_path / "a.tar"
    path.write_bytes(data)
    assert read_all(path) == {"b/c": b"1"}


def test_random_damage_is_always_a_typed_error(tmp_path: Path) -> None:
    """One changed byte anywhere gives the same members, other members, or `InvalidInput`; nothing else."""
    for suffix, data in ((".zip", zip_bytes(MEMBERS)), (".tar", tar_bytes(MEMBERS)[:6000])):
        path = tmp_path / f"a{suffix}"
        for position in range(0, len(data), 3):
            changed = bytearray(data)
            changed[position] ^= 0xFF
            path.write_bytes(changed)
            file: str | None = str(path)
            try:
                read_all(path)
            except InvalidInput as error:
                file = error.file
            assert file == str(path)
