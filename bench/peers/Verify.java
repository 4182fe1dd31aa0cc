import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.security.spec.X509EncodedKeySpec;
import java.util.Date;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * The peer "java": java.security.Signature and CertPathValidator of the JDK.
 *
 * <pre>
 * java Verify.java FILE         public keys kept; hashes the message, as its interface has it
 * java Verify.java FILE cold    rows hold certificates: generateCertificate, validate (PKIX), verify, nothing kept
 * </pre>
 *
 * Rows and protocol are those of bench/peers/loop.h.
 */
public final class Verify {
    private static final String[] SIGNATURES = {"", "SHA256withRSA", "SHA256withECDSA", "SHA384withECDSA", "Ed25519"};
    private static final String[] KEYS = {"", "RSA", "EC", "EC", "Ed25519"};

    private record Row(byte[] key, byte[] message, byte[] signature, PublicKey kept) {}

    private final Row[] rows;
    private final int good;
    private final boolean cold;
    private final Signature signature;
    private CertificateFactory certificates;
    private CertPathValidator validator;
    private PKIXParameters parameters;

    private Verify(ByteBuffer in, boolean cold) throws GeneralSecurityException {
        in.order(ByteOrder.LITTLE_ENDIAN).position(8);
        int algorithm = in.getInt();
        good = in.getInt();
        int bad = in.getInt();
        int anchors = in.getInt();
        Date at = new Date(1000 * in.getLong());
        this.cold = cold;
        signature = Signature.getInstance(SIGNATURES[algorithm]);
        Set<TrustAnchor> trust = new HashSet<>();
        certificates = CertificateFactory.getInstance("X.509");
        for (int i = 0; i < anchors; i++) {
            trust.add(new TrustAnchor(certificate(blob(in)), null));
        }
        if (cold) {
            validator = CertPathValidator.getInstance("PKIX");
            parameters = new PKIXParameters(trust);
            parameters.setRevocationEnabled(false);
            parameters.setDate(at);
            parameters.setPolicyQualifiersRejected(false); // JPKI leaves have a CPS in a critical policy
        }
        rows = new Row[good + bad];
        KeyFactory keys = KeyFactory.getInstance(KEYS[algorithm]);
        for (int i = 0; i < rows.length; i++) {
            byte[] key = blob(in);
            byte[] message = blob(in);
            blob(in); // the hash: not used
            byte[] value = blob(in);
            rows[i] = new Row(key, message, value, cold ? null : keys.generatePublic(new X509EncodedKeySpec(key)));
        }
    }

    private static byte[] blob(ByteBuffer in) {
        byte[] taken = new byte[in.getInt()];
        in.get(taken);
        return taken;
    }

    private X509Certificate certificate(byte[] der) throws GeneralSecurityException {
        return (X509Certificate) certificates.generateCertificate(new ByteArrayInputStream(der));
    }

    private boolean right(Row row) {
        try {
            PublicKey key = row.kept;
            if (cold) {
                X509Certificate leaf = certificate(row.key);
                validator.validate(certificates.generateCertPath(List.of(leaf)), parameters);
                key = leaf.getPublicKey();
            }
            signature.initVerify(key);
            signature.update(row.message);
            return signature.verify(row.signature);
        } catch (GeneralSecurityException refused) {
            return false;
        }
    }

    private void serve() throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        int next = 0;
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            if (line.equals("check")) {
                StringBuilder answers = new StringBuilder("check ");
                for (Row row : rows) {
                    answers.append(right(row) ? '1' : '0');
                }
                System.out.println(answers);
            } else if (line.startsWith("run ")) {
                long wanted = Long.parseLong(line.substring(4));
                long wrong = 0;
                long cpuStart = threads.getCurrentThreadCpuTime();
                long start = System.nanoTime();
                for (long i = 0; i < wanted; i++) {
                    if (!right(rows[next])) {
                        wrong++;
                    }
                    next = next + 1 == good ? 0 : next + 1;
                }
                double seconds = 1e-9 * (System.nanoTime() - start);
                double cpu = 1e-9 * (threads.getCurrentThreadCpuTime() - cpuStart);
                System.out.println(String.format(Locale.ROOT, "ran %.9f %.9f %d", seconds, cpu, wrong));
            } else {
                throw new IllegalArgumentException("unknown command");
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(Path.of(arguments[0])));
        Verify peer = new Verify(file, arguments.length > 1);
        System.out.println("ready Java " + System.getProperty("java.vm.version"));
        peer.serve();
    }
}
