// The client that openapi-generator writes with its generator typescript-fetch. typescript_fetch.js URL [KEY]
import { AssetsApi, Configuration, DownloadsApi, ExportJobsApi, ResponseError } from "./generated/typescript-fetch";
import { key, run, url } from "./scenario";

const configuration = new Configuration({ basePath: url, accessToken: key });
const assetsApi = new AssetsApi(configuration), jobsApi = new ExportJobsApi(configuration);
const downloadsApi = new DownloadsApi(configuration);

const readBytes = async (blob: Blob) => new Uint8Array(await blob.arrayBuffer());

await run("openapi-generator typescript-fetch", {
  async upload(files) {
    return (await assetsApi.uploadAssets({ file: files })).assets.map((asset) => asset.assetHandle);
  },
  async move(asset, folder) {
    await assetsApi.changeAsset({ assetHandle: asset, changeAsset: { folder } });
  },
  async createJob(assets, modifier) {
    const exportRequest = { assetHandleArray: assets, fmt: "convert", isModifier: modifier, layout: "folders" } as const;
    return (await jobsApi.createExportJob({ exportRequest: { ...exportRequest, assetHandleArray: assets } })).jobHandle;
  },
  async wait(job) {
    for (;;) {
      const shown = await jobsApi.showExportJob({ jobHandle: job, wait: 20 });
      if (shown.state === "finished") return String(shown.outcome);
    }
  },
  async listFiles(job) {
    const page = await downloadsApi.listExportFiles({ jobHandle: job });
    return page.items.map((file) => ({ path: file.path, size: file.size!, sha256: file.sha256! }));
  },
  async fetchFile(job, path) {
    return readBytes(await downloadsApi.fetchExportFile({ jobHandle: job, path }));
  },
  async fetchArchive(job, range, ifRange) {
    const answer = await downloadsApi.fetchExportArchiveRaw({ jobHandle: job, range, ifRange });
    return [await readBytes(await answer.value()), answer.raw.headers.get("etag")!];
  },
  async readManifest(job) {
    return (await downloadsApi.fetchExportManifest({ jobHandle: job })).items.map((line) => line.path!);
  },
  async askForUnknownJob(job) {
    try {
      await jobsApi.showExportJob({ jobHandle: job });
    } catch (error) {
      if (error instanceof ResponseError) return (await error.response.json()).code;
    }
    return "no error";
  },
});
