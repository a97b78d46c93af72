using System.Text;
using Fairlead.Dns.Wire;
using Fairlead.Dns.Zones;

namespace Fairlead.Fuzz.Targets;

/// <summary>
/// Record data of every type between bytes and text. The first two bytes of an input are the type; the rest is taken
/// once as data and once as text.
/// </summary>
public sealed class RdataTarget : IFuzzTarget
{
    private static readonly DnsName Origin = DnsName.Parse("example.com");

    public string Name => "rdata";

    public bool IsText => false;

    public int BytesMax => 700;

    public IReadOnlyList<byte[]> Tokens { get; } =
    [
        .. AllTargets.Words("""
            A ~ \# ~0~ ~4~ 192.0.2.1 2001:db8::1 ::ffff:1.2.3.4 example.com. @ . ( ) ; " \034 \000 \255 \. alpn="h2,h3"
            mandatory=alpn no-default-alpn port=53 ipv4hint=192.0.2.1 ipv6hint=::1 ech=AAAA key65535="x"
            dohpath=/q{?dns}
            42~21~54~N~71~06~18~W~-24m~30m 20260101000000 1:10.0.0.0/8 !2:::/0 00-00-5e-00-53-2a MD5 RSASHA256
            A~NS~TYPE65535
            4294967295 65535 65536 256 -1 abcd== deadbeef 1h30m CAFEBABE issue "ca.example" 0014:4fff:ff20:ee64
            """),
        [3, (byte)'w', (byte)'w', (byte)'w', 0], [0], [0xc0, 0x0c], [0, 1], [0, 4], [0, 6], [255, 255],
        .. new byte[][] { [0, 1], [0, 2], [0, 6], [0, 15], [0, 16], [0, 28], [0, 29], [0, 33], [0, 35], [0, 37] },
        .. new byte[][] { [0, 42], [0, 43], [0, 44], [0, 45], [0, 46], [0, 47], [0, 48], [0, 50], [0, 51], [0, 52] },
        .. new byte[][] { [0, 55], [0, 62], [0, 63], [0, 64], [0, 65], [0, 66], [0, 108], [1, 0], [1, 1], [1, 5] },
    ];

    public int Run(ReadOnlySpan<byte> input)
    {
        if (input.Length < 2) return 0;
        var type = (RecordType)((input[0] << 8) | input[1]);
        if (type is 0 or RecordType.Opt || RecordTypes.IsQueryOnly(type)) return 1;
        var behaviour = new Behaviour();
        behaviour.Add((int)type);

        ReadOnlySpan<byte> data = input[2..];
        bool valid = RdataText.IsValid(type, data);
        string printed = RdataText.Print(type, data);
        behaviour.Add(valid ? 2 : 3);
        behaviour.Add(printed.StartsWith("\\#", StringComparison.Ordinal) ? 1 : 0);
        if (valid) Expect(type, printed, data.ToArray());

        bool read = RdataText.TryRead(type, Encoding.UTF8.GetString(data), Origin, out byte[] made, out string problem);
        BrokenPromiseException.Unless(read == (problem.Length == 0), "no data without a problem, and none with data");
        behaviour.AddMessage(problem);
        if (!read) return behaviour.Number;
        BrokenPromiseException.Unless(RdataText.IsValid(type, made), $"what was read as {type} is data of that type");
        Expect(type, RdataText.Print(type, made), made);
        return behaviour.Number;
    }

    private static void Expect(RecordType type, string printed, byte[] data)
    {
        bool read = RdataText.TryRead(type, printed, Origin, out byte[] again, out string problem);
        BrokenPromiseException.Unless(read, $"TYPE{(int)type} '{printed}' is read back: {problem}");
        BrokenPromiseException.Unless(
            again.AsSpan().SequenceEqual(data), $"TYPE{(int)type} '{printed}' reads back as the same bytes");
    }
}
