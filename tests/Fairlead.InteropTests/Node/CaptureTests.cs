using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Fairlead.Balancer.Maps;
using Fairlead.Balancer.Programs;
using Fairlead.Lab;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Node;

/// <summary>
/// What an operator sees of packets that the balancer takes, as tcpdump reads it. Backends open no tunnels here: nobody
/// answers, so the client's packets are all that there are.
/// </summary>
public sealed class CaptureTests : IDisposable
{
    private const string Vip4 = "192.0.2.1";
    private const string Vip6 = "2001:db8:f00::1";

    private static readonly string Fleet = NodeBed.TwoPops
        .Replace("ports: [tcp/80]", "ports: [tcp/80, udp/7777]\n    balance: {mode: ip}", StringComparison.Ordinal)
        .Replace("geo:", "balancer: {key: 000102030405060708090a0b0c0d0e0f, devices: [eth0], sample: 1}\ngeo:",
            StringComparison.Ordinal);

    private readonly NodeBed bed = new(Fleet);
    private readonly BpfObject pass = XdpPass.Load();
    private readonly BpfObject wire;
    private readonly List<Process> captures = [];

    public CaptureTests()
    {
        wire = NetworkNamespace.Run(bed.Bed.NamespaceOf("r1"), () => XdpPass.Attach(pass, "n1"));
        bed.Bed.Run("r1", "ethtool", "-K", "br0", "tx", "off");
        bed.Bed.Ip("r1", "route", "add", $"{Vip4}/32", "via", "10.0.0.2");
        bed.Bed.Ip("r1", "-6", "route", "add", $"{Vip6}/128", "via", "2001:db8:1::2");
    }

    [InteropFact("ip", "bird", "ethtool", "nsenter", "tcpdump")]
    public void A_capture_has_the_clients_packets_as_they_came_in_and_leaves_no_tap_on()
    {
        _ = bed.Bird;
        bed.StartBackends();
        Process node = bed.StartPinned();
        bed.AwaitRoutes($"{Vip4}/32", $"{Vip6}/128");
        bed.Until(Carries, "both families are forwarded");

        // Two at once, each with what it asked for.
        Process four = Capture("four.pcapng", $"{Vip4}:7777/udp", "--count", "3");
        Process six = Capture("six.pcapng", Vip6, "--count", "3", "--snap", "4096");
        Datagram(Vip6, 42001, 5);
        Datagram(Vip4, 42001, 5);
        Syn(Vip6, 42010);
        Syn(Vip4, 42010); // Not what was asked for.
        Datagram(Vip4, 42002, 1470); // Has no room in the tunnel, and may be split: dropped.
        Datagram(Vip6, 42003, 700);
        Datagram(Vip4, 42003, 700);
        Assert.Equal((0, 0), (NodeBed.AwaitExit(four, 60), NodeBed.AwaitExit(six, 60)));
        Assert.Equal(
            [
                "IP 10.0.0.1.42001 > 192.0.2.1.7777: UDP, length 5",
                "IP 10.0.0.1.42002 > 192.0.2.1.7777: UDP, length 1470",
                "IP 10.0.0.1.42003 > 192.0.2.1.7777: UDP, length 700",
            ], Tcpdump("four.pcapng"));
        Assert.Equal(
            [
                "IP6 2001:db8:1::1.42001 > 2001:db8:f00::1.7777: UDP, length 5",
                "IP6 2001:db8:1::1.42010 > 2001:db8:f00::1.80: Flags [S]",
                "IP6 2001:db8:1::1.42003 > 2001:db8:f00::1.7777: UDP, length 700",
            ], Tcpdump("six.pcapng"));
        string inside = Encoding.Latin1.GetString(File.ReadAllBytes(bed.InFolder("four.pcapng")));
        Assert.Contains("forwarded to 10.0.0.5: BySlot, slot ", inside, StringComparison.Ordinal);
        Assert.Contains("dropped: TooBigDropped, for 10.0.0.5, slot ", inside, StringComparison.Ordinal);
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(bed.InFolder("four.pcapng")));
        bed.AwaitLog("packets are watched no longer: 192.0.2.1:7777/udp");

        // What balancer.sample has kept tells the same, and of the packets nothing but where they went.
        bool IsDropped(JsonElement one) => Text(one, "from") == "10.0.0.1:42002";
        bed.Until(() => Watch("--kept").Any(IsDropped), "the sample is kept");
        JsonElement sample = Assert.Single(Watch("--kept"), IsDropped);
        Assert.Equal(("dropped", "TooBigDropped", "web/ipv4"),
            (Text(sample, "verdict"), Text(sample, "reason"), Text(sample, "service")));
        Assert.False(sample.TryGetProperty("frame", out JsonElement frame) && frame.ValueKind != JsonValueKind.Null);

        // Nothing that is nobody's VIP is captured, and no file is left.
        (int refused, _, string error) = Command.Try(NodeBed.Program, TimeSpan.FromSeconds(20), null,
            ["capture", "10.0.0.2", "--write", bed.InFolder("none.pcapng"), "--control", bed.Control]);
        Assert.Equal(73, refused);
        Assert.Contains("no VIP 10.0.0.2", error, StringComparison.Ordinal);
        Assert.False(File.Exists(bed.InFolder("none.pcapng")));
        AssertTheTapEnds(node);
    }

    [InteropFact("ip", "bird", "ethtool", "nsenter", "tcpdump")]
    public void Packets_are_watched_as_lines_and_captured_into_a_pipe()
    {
        _ = bed.Bird;
        bed.StartBackends();
        Process node = bed.StartPinned();
        bed.AwaitRoutes($"{Vip4}/32", $"{Vip6}/128");
        bed.Until(Carries, "both families are forwarded");
        string pipe = bed.InFolder("pipe.pcapng");
        string command = $"capture {Vip4}:80/tcp --write - --count 1 --control '{bed.Control}'";
        Process capture = Process.Start("sh", ["-c", $"exec '{NodeBed.Program}' {command} >'{pipe}'"]);
        captures.Add(capture);
        bed.Until(() => File.Exists(pipe) && new FileInfo(pipe).Length > 0, "the capture has begun");
        Syn(Vip4, 42020);
        Assert.Equal(0, NodeBed.AwaitExit(capture, 60));
        Assert.Equal(["IP 10.0.0.1.42020 > 192.0.2.1.80: Flags [S]"], Tcpdump("pipe.pcapng"));

        // Packets come until the command has seen its count.
        using var over = new CancellationTokenSource();
        var sending = Task.Run(() =>
        {
            for (; !over.IsCancellationRequested; over.Token.WaitHandle.WaitOne(20)) Datagram(Vip6, 42021, 5);
        });
        JsonElement[] seen = Watch("--vip", $"[{Vip6}]:7777/udp", "--count", "2", "--for", "60s");
        over.Cancel();
        sending.GetAwaiter().GetResult();
        Assert.Equal(2, seen.Length);
        Assert.All(seen, one => Assert.Equal(
            ("[2001:db8:1::1]:42021", $"[{Vip6}]:7777", "udp", "forwarded", "BySlot", "Steady", "2001:db8:1::5"),
            (Text(one, "from"), Text(one, "to"), Text(one, "protocol"), Text(one, "verdict"), Text(one, "how"),
                Text(one, "slotState"), Text(one, "backend"))));
        JsonElement why = bed.Json("why", "flow", "[2001:db8:1::1]:42021", $"[{Vip6}]:7777/udp");
        Assert.All(seen, one => Assert.Equal(
            why.GetProperty("slot").GetInt32(), one.GetProperty("slot").GetInt32()));

        // Its time over, with nothing to see.
        Assert.Empty(Watch("--vip", $"{Vip4}:80/tcp", "--for", "1s"));
        NodeBed.Signal(node, "TERM");
        Assert.Equal(0, NodeBed.AwaitExit(node, 10));
        Assert.False(Directory.Exists(bed.Pins), "nothing is pinned after a stop");
    }

    public void Dispose()
    {
        foreach (Process capture in captures)
        {
            if (!capture.HasExited) capture.Kill();
            capture.Dispose();
        }

        wire.Dispose();
        pass.Dispose();
        bed.Dispose();
    }

    /// <summary>With no sample, it is on as long as somebody watches, however he ends, and the node too.</summary>
    private void AssertTheTapEnds(Process node)
    {
        bed.WriteFleet(Fleet.Replace(", sample: 1", "", StringComparison.Ordinal));
        NodeBed.Signal(node, "HUP");
        bed.Until(() => TapUntil() == 0, "the tap is off");
        Process killed = Capture("killed.pcapng", Vip4);
        Assert.NotEqual(0u, TapUntil());
        NodeBed.Signal(killed, "KILL");
        bed.Until(() => TapUntil() == 0, "the tap is off after a kill");
        _ = Capture("last.pcapng", Vip4);
        NodeBed.Signal(node, "KILL");
        NodeBed.AwaitExit(node, 10);
        bed.Until(() =>
        {
            Datagram(Vip4, 42004, 5);
            return TapUntil() == 0;
        }, "the kernel turns the tap off of a node that is gone", 20);
    }

    private static string Text(JsonElement one, string name) =>
        one.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()! : "";

    /// <summary>Begun, so that what is sent from now on is in it.</summary>
    private Process Capture(string file, params string[] arguments)
    {
        Process capture = Process.Start(new ProcessStartInfo(NodeBed.Program,
            ["capture", .. arguments, "--write", bed.InFolder(file), "--for", "60s", "--control", bed.Control]))!;
        captures.Add(capture);
        bed.Until(() => File.Exists(bed.InFolder(file)) && new FileInfo(bed.InFolder(file)).Length > 0,
            "the capture has begun");
        return capture;
    }

    private JsonElement[] Watch(params string[] arguments)
    {
        (int exit, string output, string error) = Command.Try(NodeBed.Program, TimeSpan.FromSeconds(90), null,
            ["balancer", "watch", .. arguments, "--output", "json", "--control", bed.Control]);
        Assert.True(exit == 0, error);
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
    }

    private bool Carries()
    {
        Datagram(Vip4, 41000, 1);
        Datagram(Vip6, 41000, 1);
        return bed.Json("balancer").GetProperty("vips").EnumerateArray().Count(vip =>
            vip.GetProperty("vip").GetString()!.EndsWith("7777/udp", StringComparison.Ordinal)
            && vip.GetProperty("packets").GetInt64() > 0) == 2;
    }

    /// <summary>What tcpdump says of each packet, but for its time and what is of no concern.</summary>
    private string[] Tcpdump(string file)
    {
        string text = Command.Run("tcpdump", "-Z", "root", "-n", "-t", "-r", bed.InFolder(file));
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(", seq ")[0].Trim())];
    }

    private uint TapUntil()
    {
        var pins = new PinFolder(bed.Pins);
        LightSkeleton skeleton = XdpProgram.Skeleton("balancer");
        Dictionary<string, BpfObject> load = pins.OpenLoad(Assert.Single(pins.Loads), skeleton.Maps)!;
        using var control = new BpfArray<FlControl>(load["control"]);
        uint until = control[0].TapUntil;
        foreach (BpfObject one in load.Values) one.Dispose();
        return until;
    }

    private void Datagram(string vip, int port, int bytes) => InClient(vip, port, SocketType.Dgram, socket =>
    {
        // IP_MTU_DISCOVER, IP_PMTUDISC_DONT: it may be split.
        if (vip == Vip4) socket.SetRawSocketOption(0, 10, BitConverter.GetBytes(0));
        socket.SendTo(new byte[bytes], new IPEndPoint(IPAddress.Parse(vip), 7777));
    });

    /// <summary>One SYN: whoever sent it is gone before it could be sent again.</summary>
    private void Syn(string vip, int port) => InClient(vip, port, SocketType.Stream, socket =>
    {
        socket.Blocking = false;
        try
        {
            socket.Connect(IPAddress.Parse(vip), 80);
        }
        catch (SocketException fault) when (fault.SocketErrorCode == SocketError.WouldBlock)
        {
            // It is on its way.
        }
    });

    private void InClient(string vip, int port, SocketType type, Action<Socket> work) =>
        NetworkNamespace.Run(bed.Bed.NamespaceOf("r1"), () =>
        {
            bool isIPv4 = vip == Vip4;
            using var socket = new Socket(
                isIPv4 ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6, type, ProtocolType.Unspecified);
            socket.Bind(new IPEndPoint(IPAddress.Parse(isIPv4 ? "10.0.0.1" : "2001:db8:1::1"), port));
            work(socket);
            return 0;
        });
}
