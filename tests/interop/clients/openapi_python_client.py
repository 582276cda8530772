"""The client that openapi-python-client writes. openapi_python_client.py URL [KEY]"""

import io, sys
from uuid import UUID

from offprint_attrs import AuthenticatedClient, Client as OpenClient, models, types
from offprint_attrs.api.assets import change_asset, upload_assets
from offprint_attrs.api.downloads import fetch_export_archive, fetch_export_file, fetch_export_manifest, list_export_files
from offprint_attrs.api.export_jobs import create_export_job, show_export_job

import scenario


class Client:
    def __init__(self, url, key):
        self.client = AuthenticatedClient(base_url=url, token=key) if key else OpenClient(base_url=url)

    def upload(self, files):
        parts = [types.File(payload=io.BytesIO(data), file_name=name, mime_type="image/png") for name, data in files]
        result = upload_assets.sync(client=self.client, body=models.UploadForm(file=parts))
        return [asset.asset_handle for asset in result.assets]

    def move(self, asset, folder):
        change_asset.sync(asset, client=self.client, body=models.ChangeAsset(folder=folder))

    def create_job(self, assets, modifier):
        request = models.ExportRequest(
            asset_handle_array=[str(asset) for asset in assets],
            fmt=models.Fmt.CONVERT,
            is_modifier=modifier,
            layout=models.Layout.FOLDERS,
        )
        return create_export_job.sync(client=self.client, body=request).job_handle

    def wait(self, job):
        while (shown := show_export_job.sync(job, client=self.client, wait=20)).state != models.ShownState.FINISHED:
            pass
        return shown.outcome.value

    def list_files(self, job):
        page = list_export_files.sync(job, client=self.client)
        return [(file.path, file.size, file.sha256) for file in page.items]

    def fetch_file(self, job, path):
        return fetch_export_file.sync(job, path, client=self.client).payload.read()

    def fetch_archive(self, job, span, if_range):
        headers = {name: value for name, value in (("range_", span), ("if_range", if_range)) if value}
        answer = fetch_export_archive.sync_detailed(job, client=self.client, **headers)
        return answer.parsed.payload.read(), answer.headers["etag"]

    def read_manifest(self, job):
        return sorted(line.path for line in fetch_export_manifest.sync(job, client=self.client).items)

    def ask_for_unknown_job(self, job):
        return show_export_job.sync(UUID(job), client=self.client).code


scenario.run("openapi-python-client", Client(sys.argv[1], (sys.argv[2:] or [None])[0]))
