// The client that openapi-generator writes for Java (library native). java MainJob URL [KEY]
// The same scenario as scenario.py.
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.util.*;
import java.util.zip.*;
import javax.imageio.ImageIO;
import offprint.client.*;
import offprint.client.api.*;
import offprint.client.model.*;

public class MainJob {
    static void check(boolean condition, String what) {
        if (!condition) throw new IllegalStateException("WRONG: " + what);
    }

    static File drawImage(int seed) throws Exception {
        BufferedImage image = new BufferedImage(40, 30, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < 30; y++) for (int x = 0; x < 40; x++) image.setRGB(x, y, x * seed * 70_001 + y * 3_001);
        File file = File.createTempFile("java-" + seed + "-", ".png");
        file.deleteOnExit();
        ImageIO.write(image, "png", file);
        return file;
    }

    static byte[] concat(byte[] one, byte[] other) {
        byte[] both = Arrays.copyOf(one, one.length + other.length);
        System.arraycopy(other, 0, both, one.length, other.length);
        return both;
    }

    public static void main(String[] arguments) throws Exception {
        ApiClient client = new ApiClient();
        client.updateBaseUri(arguments[0]);
        if (arguments.length > 1) {
            client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + arguments[1]));
        }
        AssetsApi assets = new AssetsApi(client);
        ExportJobsApi jobs = new ExportJobsApi(client);
        DownloadsApi downloads = new DownloadsApi(client);

        List<File> images = List.of(drawImage(1), drawImage(2), drawImage(3));
        List<UUID> handles = assets.uploadAssets(images, null, null, null, null, null).getAssets().stream().map(Asset::getAssetHandle).toList();
        check(handles.size() == 3, "three assets were uploaded: " + handles);
        assets.changeAsset(handles.get(1), new ChangeAsset().folder("spring/shoes"), null);
        ExportRequest request = new ExportRequest()
            .assetHandleArray(handles.stream().map(UUID::toString).toList())
            .fmt(Fmt.CONVERT).isModifier("wid=20&fmt=png").layout(Layout.FOLDERS);
        UUID job = jobs.createExportJob(request, null, null, null, null, null, null, null).getJobHandle();
        Job shown;
        do shown = jobs.showExportJob(job, 20L, null, null);
        while (shown.getState() != ShownState.FINISHED);
        check(shown.getOutcome() == Outcome.SUCCEEDED, "the job succeeds: " + shown.getOutcome());

        Set<String> paths = new TreeSet<>();
        for (ExportFile file : downloads.listExportFiles(job, null, null, null).getItems()) {
            byte[] bytes = Files.readAllBytes(downloads.fetchExportFile(job, file.getPath(), null, null, null, null).toPath());
            String sha256 = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
            check(bytes.length == file.getSize() && sha256.equals(file.getSha256()), file.getPath() + " has the listed bytes");
            paths.add(file.getPath());
        }
        check(paths.size() == 3 && paths.stream().anyMatch(path -> path.contains("/")), "three files, one in a folder: " + paths);
        ApiResponse<File> whole = downloads.fetchExportArchiveWithHttpInfo(job, null, null, null, null);
        String etag = whole.getHeaders().get("etag").get(0);
        byte[] bytes = Files.readAllBytes(whole.getData().toPath());
        byte[] first = Files.readAllBytes(downloads.fetchExportArchive(job, "bytes=0-999", null, null, null).toPath());
        byte[] rest = Files.readAllBytes(downloads.fetchExportArchive(job, "bytes=1000-", etag, null, null).toPath());
        check(first.length == 1000 && Arrays.equals(concat(first, rest), bytes), "the archive in two parts is the one in one piece");
        Set<String> names = new TreeSet<>();
        try (ZipInputStream zip = new ZipInputStream(new ByteArrayInputStream(bytes))) {
            for (ZipEntry entry; (entry = zip.getNextEntry()) != null; ) names.add(entry.getName());
        }
        check(names.containsAll(paths), "the archive has all files: " + names);
        Set<String> listed = new TreeSet<>();
        for (ExportManifestItem line : downloads.fetchExportManifest(job, null, null, null).getItems()) listed.add(line.getPath());
        check(listed.equals(paths), "the manifest lists all files: " + listed);
        try {
            jobs.showExportJob(UUID.fromString("00000000-0000-7000-8000-00000000dead"), null, null, null);
            check(false, "an unknown job is an error");
        } catch (ApiException error) {
            check(error.getCode() == 404 && error.getResponseBody().contains("\"not-found\""), "an error has its code: " + error);
        }
        System.out.println("openapi-generator java: uploaded, created, waited, fetched 3 files and the archive, resumed");
    }
}
