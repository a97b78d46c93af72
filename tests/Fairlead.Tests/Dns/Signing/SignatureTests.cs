using System.Text;
using Fairlead.Dns.Signing;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Tests.Dns.Signing;

/// <summary>The examples of the RFCs: what others computed must come out of our code.</summary>
public class SignatureTests
{
    // RFC 6605 §6.1.
    private const string PrivateText = """
        Private-key-format: v1.2
        Algorithm: 13 (ECDSAP256SHA256)
        PrivateKey: GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=
        """;

    private const string PublicText =
        "example.net. 3600 IN DNSKEY 257 3 13 "
        + "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edb krSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";

    private const string SignatureText =
        "qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==";

    private static readonly RRset Www = new(DnsName.Parse("www.example.net"), RecordType.A, 3600, [[192, 0, 2, 1]]);

    private static DnssecKey Key => KeyFile.Read(PrivateText, PublicText, null, KeyRole.Csk).Key;

    [Fact]
    public void The_key_of_the_example_has_its_tag_and_its_ds()
    {
        using DnssecKey key = Key;
        Assert.Equal(55648, key.Tag);
        Assert.Equal(
            "example.net. IN DS 55648 13 2 B4C8C1FE2E7477127B27115656AD6256F424625BF5C1E2770CE6D6E37DF61D17",
            key.DsText());
    }

    [Fact]
    public void The_signature_of_the_example_verifies_and_a_changed_address_does_not()
    {
        using DnssecKey key = Key;
        byte[] rdata =
        [
            0, 1, 13, 3, 0, 0, 0x0e, 0x10, .. Time(2010, 9, 9, 10, 4, 39), .. Time(2010, 8, 12, 10, 4, 39),
            0xd9, 0x60, .. DnsName.Parse("example.net").Wire, .. Convert.FromBase64String(SignatureText),
        ];
        Assert.True(Signature.Verifies(rdata, Www, key.PublicKey));
        var other = new RRset(Www.Owner, RecordType.A, 3600, [[192, 0, 2, 2]]);
        Assert.False(Signature.Verifies(rdata, other, key.PublicKey));
    }

    [Fact]
    public void What_we_sign_verifies_whatever_its_case_and_order()
    {
        using DnssecKey key = Key;
        DateTimeOffset now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
        byte[] one = [0, 10, .. DnsName.Parse("Mail.Example.NET").Wire];
        byte[] two = [0, 5, .. DnsName.Parse("b.example.net").Wire];
        var set = new RRset(DnsName.Parse("MX.example.net"), RecordType.Mx, 60, [one, two]);
        byte[] rdata = Signature.Make(set, key, now, now.AddDays(14));
        byte[] lower = [0, 10, .. DnsName.Parse("mail.example.net").Wire];
        var same = new RRset(DnsName.Parse("mx.EXAMPLE.net"), RecordType.Mx, 30, [two, lower]);
        Assert.True(Signature.Verifies(rdata, same, key.PublicKey));
        Assert.Equal(60u, Signature.OriginalTtl(rdata));
        Assert.Equal(now.AddDays(14), Signature.Expiration(rdata, now.AddDays(3)));
    }

    /// <summary>RFC 4035 §5.3.2: the labels of the wildcard.</summary>
    [Fact]
    public void A_wildcard_is_signed_as_the_wildcard()
    {
        using DnssecKey key = Key;
        DateTimeOffset now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
        var set = new RRset(DnsName.Parse("*.cdn.example.net"), RecordType.A, 60, [[192, 0, 2, 1]]);
        Assert.Equal(3, Signature.Make(set, key, now, now.AddDays(1))[3]);
    }

    // RFC 4034 §6.1.
    [Fact]
    public void Names_sort_as_the_example_lists_them()
    {
        string[] names =
        [
            "example", "a.example", "yljkjljk.a.example", "Z.a.example", "zABC.a.EXAMPLE", "z.example",
            "\\001.z.example", "*.z.example", "\\200.z.example",
        ];
        List<DnsName> sorted = [.. names.Select(DnsName.Parse)];
        var shuffled = sorted.ToArray();
        new Random(1).Shuffle(shuffled);
        Array.Sort(shuffled, (one, other) =>
            CanonicalForm.SortKey(one).AsSpan().SequenceCompareTo(CanonicalForm.SortKey(other)));
        Assert.Equal(sorted, shuffled);
    }

    [Fact]
    public void Sort_keys_order_any_names_as_their_labels_do() => Property.Holds(5_000, random =>
    {
        DnsName one = AnyName(random), other = AnyName(random);
        int keys = CanonicalForm.SortKey(one).AsSpan().SequenceCompareTo(CanonicalForm.SortKey(other));
        Assert.Equal(Math.Sign(one.CompareTo(other)), Math.Sign(keys));
    });

    // RFC 4034 §4.3: alfa.example.com. NSEC host.example.com. ( A MX RRSIG NSEC TYPE1234 )
    [Fact]
    public void The_bitmap_of_the_example_comes_out()
    {
        RecordType[] types =
            [RecordType.Nsec, (RecordType)1234, RecordType.A, RecordType.Rrsig, RecordType.Mx, RecordType.A];
        byte[] expected =
            [0, 6, 0x40, 0x01, 0, 0, 0, 0x03, 4, 0x1b, .. new byte[26], 0x20];
        byte[] bitmap = TypeBitmap.Of(types);
        Assert.Equal(expected, bitmap);
        Assert.True(TypeBitmap.Has(bitmap, (RecordType)1234));
        Assert.False(TypeBitmap.Has(bitmap, (RecordType)1235));
        Assert.False(TypeBitmap.Has(bitmap, RecordType.Aaaa));
        Assert.Equal(types.Distinct().Order(), TypeBitmap.TypesIn(bitmap));
    }

    // RFC 5155 appendix A.
    [Theory]
    [InlineData("example", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom")]
    [InlineData("a.example", "35mthgpgcu1qg68fab165klnsnk3dpvl")]
    [InlineData("ai.example", "gjeqe526plbf1g8mklp59enfd789njgi")]
    [InlineData("ns1.example", "2t7b4g4vsa5smi47k61mv5bv1a22bojr")]
    [InlineData("*.w.example", "r53bq7cc2uvmubfu5ocmm6pers9tk9en")]
    [InlineData("x.y.w.example", "2vptu5timamqttgl4luu9kg21e0aor3s")]
    [InlineData("xx.example", "t644ebqk9bibcna874givr6joj62mlhv")]
    public void Names_hash_as_the_example_lists_them(string name, string label)
    {
        Nsec3Parameters parameters = Nsec3Parameters.Read([1, 0, 0, 12, 4, 0xaa, 0xbb, 0xcc, 0xdd])!;
        Span<byte> hash = stackalloc byte[20], made = stackalloc byte[32];
        parameters.Hash(DnsName.Parse(name).Folded, hash);
        Nsec3Parameters.ToLabel(hash, made);
        Assert.Equal(label, Encoding.ASCII.GetString(made));
    }

    private static DnsName AnyName(Random random)
    {
        DnsName name = DnsName.Root;
        for (int i = random.Next(5); i > 0; i--)
        {
            var label = new byte[random.Next(1, 4)];
            foreach (ref byte value in label.AsSpan()) value = (byte)(random.Next(2) == 0 ? random.Next(4) : 'A');
            name = name.Prepend(label);
        }

        return name;
    }

    private static byte[] Time(int year, int month, int day, int hour, int minute, int second)
    {
        long seconds = new DateTimeOffset(year, month, day, hour, minute, second, TimeSpan.Zero).ToUnixTimeSeconds();
        return [(byte)(seconds >> 24), (byte)(seconds >> 16), (byte)(seconds >> 8), (byte)seconds];
    }
}
