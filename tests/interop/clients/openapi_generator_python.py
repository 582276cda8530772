"""The client that openapi-generator writes for Python. openapi_generator_python.py URL [KEY]"""

import json, sys

import offprint_client
from offprint_client.api import assets_api, downloads_api, export_jobs_api

import scenario


class Client:
    def __init__(self, url, key):
        api = offprint_client.ApiClient(offprint_client.Configuration(host=url, access_token=key))
        self.assets = assets_api.AssetsApi(api)
        self.jobs = export_jobs_api.ExportJobsApi(api)
        self.downloads = downloads_api.DownloadsApi(api)

    def upload(self, files):
        return [asset.asset_handle for asset in self.assets.upload_assets(file=files).assets]

    def move(self, asset, folder):
        self.assets.change_asset(asset, offprint_client.ChangeAsset(folder=folder))

    def create_job(self, assets, modifier):
        request = offprint_client.ExportRequest(
            asset_handle_array=[str(asset) for asset in assets], fmt="convert", is_modifier=modifier, layout="folders"
        )
        return self.jobs.create_export_job(request).job_handle

    def wait(self, job):
        while (shown := self.jobs.show_export_job(job, wait=20)).state != "finished":
            pass
        return shown.outcome.value

    def list_files(self, job):
        return [(file.path, file.size, file.sha256) for file in self.downloads.list_export_files(job).items]

    def fetch_file(self, job, path):
        return bytes(self.downloads.fetch_export_file(job, path))

    def fetch_archive(self, job, span, if_range):
        answer = self.downloads.fetch_export_archive_with_http_info(job, range=span, if_range=if_range)
        return bytes(answer.data), answer.headers["etag"]

    def read_manifest(self, job):
        return sorted(line.path for line in self.downloads.fetch_export_manifest(job).items)

    def ask_for_unknown_job(self, job):
        try:
            self.jobs.show_export_job(job)
        except offprint_client.exceptions.NotFoundException as error:
            return json.loads(error.body)["code"]


scenario.run("openapi-generator python", Client(sys.argv[1], (sys.argv[2:] or [None])[0]))
