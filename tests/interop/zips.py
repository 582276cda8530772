"""Reads an archive with Python's zipfile and checks CRCs and the order of the manifest. zips.py ARCHIVE"""

import json, sys, zipfile

with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None, "a CRC is wrong"
    manifest = json.load(archive.open("manifest.json"))
    paths = [item["path"] for item in manifest["items"] if item["path"]]
    assert archive.namelist() == paths + ["manifest.json", "manifest.csv"], archive.namelist()
    print(f"zipfile: {len(paths)} files, {manifest['outcome']}")
