using System.Buffers.Binary;
using System.Net;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Addresses;

namespace Fairlead.InteropTests.Bgp;

/// <summary>GoBGP 3.</summary>
public sealed class GobgpProgram(Bed bed, RouterSetup setup) : RouterProgram(bed, setup)
{
    public override void Start()
    {
        string file = Write("gobgpd.toml", $"""
            [global.config]
              as = 65001
              router-id = "{Its4}"
            {Neighbor(Us4, "ipv4-unicast")}
            {Neighbor(Us6, "ipv6-unicast")}
            """);
        Bed.Start(Host, LogFile, "gobgpd", "-f", file, "--api-hosts", "127.0.0.1:50051", "-l", "debug");
        BirdRouter.Eventually(() => Gobgp("neighbor").Contains(Us4, StringComparison.Ordinal), "GoBGP answers", 20);
    }

    public override string RouteText(string prefix) => Gobgp(
        "global", "rib", prefix, "-a", prefix.Contains(':', StringComparison.Ordinal) ? "ipv6" : "ipv4");

    public override void AskAgain() => Gobgp("neighbor", Us4, "softresetin");

    public override void ShutDown(string text) => Gobgp("neighbor", Us4, "shutdown", text);

    public override void Announce(bool on)
    {
        if (!on)
        {
            Gobgp("global", "rib", "del", "all", "-a", "ipv4");
            return;
        }

        string file = Path.Combine(Folder, "routes.mrt");
        File.WriteAllBytes(file, TableDump());
        Gobgp("mrt", "inject", "global", file);
    }

    private string Gobgp(params string[] arguments) => Ask("gobgp", ["-u", "127.0.0.1", "-p", "50051", .. arguments]);

    private string Neighbor(string us, string family) => $"""
        [[neighbors]]
          [neighbors.config]
            neighbor-address = "{us}"
            peer-as = 4200000001
            {(Setup.Password is { } password ? $"auth-password = \"{password}\"" : "")}
          [neighbors.timers.config]
            connect-retry = 1
            idle-hold-time-after-reset = 1
          [neighbors.ttl-security.config]
            enabled = {(Setup.TtlSecurity ? "true" : "false")}
            {(Setup.TtlSecurity ? "ttl-min = 255" : "")}
          [neighbors.graceful-restart.config]
            enabled = {(Setup.Restart ? "true" : "false")}
            restart-time = 30
          [[neighbors.afi-safis]]
            [neighbors.afi-safis.config]
              afi-safi-name = "{family}"
            [neighbors.afi-safis.mp-graceful-restart.config]
              enabled = {(Setup.Restart ? "true" : "false")}
        """;

    // GoBGP takes routes in bulk from a table dump alone (RFC 6396 §4.3): one peer, and a record for each prefix.
    private byte[] TableDump()
    {
        using var stream = new MemoryStream();
        byte[] peer = [0, 1, 2, .. Address(Its4), .. Address(Its4), 0, 0, 0xfd, 0xe9];
        Record(1, [.. Address(Its4), 0, 0, .. peer]);
        byte[] attributes = [0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 3, 4, .. Address(Its4)];
        int number = 0;
        foreach (Prefix prefix in AllRoutes.Select(Prefix.Parse))
        {
            byte[] sequence = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(sequence, number++);
            Record(2, [.. sequence, 32, .. prefix.Address.GetAddressBytes(), 0, 1,
                0, 0, 0, 0, 0, 0, 0, (byte)attributes.Length, .. attributes]);
        }

        return stream.ToArray();

        void Record(byte subtype, byte[] body)
        {
            byte[] head = new byte[12];
            (head[5], head[7]) = (13, subtype);
            BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(8), body.Length);
            stream.Write([.. head, .. body]);
        }

        static byte[] Address(string text) => IPAddress.Parse(text).GetAddressBytes();
    }
}
