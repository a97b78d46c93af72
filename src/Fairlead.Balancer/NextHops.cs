using System.Diagnostics;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text.Json;
using Fairlead.Net.Linux;

namespace Fairlead.Balancer;

/// <summary>
/// Finds the way to each backend as the kernel would go: its route and its neighbour's address, by `ip -json`. The XDP
/// program gets the answers ready-made; to ask for each packet would cost it more than all else.
/// </summary>
public sealed class NextHops(Action<string> onFault)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(10);
    private const int DiscardPort = 9;

    private readonly Dictionary<IPAddress, NextHop> known = [];

    /// <summary>The way as of the last Look; null: there is none that we know of.</summary>
    public NextHop? Of(IPAddress backend) => known.GetValueOrDefault(backend);

    /// <summary>
    /// Looks the ways up anew. Neighbours that the kernel does not know are asked for, and waited for half a second. A
    /// way that was known and is not found now stays: a backend's death is the health check's to tell. True: some way
    /// is another one than before.
    /// </summary>
    public bool Look(IReadOnlyCollection<IPAddress> backends)
    {
        if (backends.Count == 0) return false;
        Dictionary<string, Device> devices = Devices();
        List<Route> routes = Routes(backends);
        Dictionary<(string, IPAddress), PhysicalAddress> neighbours = Neighbours();
        List<Route> missing = [.. routes.Where(route => !neighbours.ContainsKey((route.Device, route.Next)))];
        foreach (Route route in missing) Provoke(route.Next, route.Device);
        long begin = Stopwatch.GetTimestamp();
        while (missing.Count > 0 && Stopwatch.GetElapsedTime(begin) < Patience)
        {
            ShortPause.For(Between);
            neighbours = Neighbours();
            missing.RemoveAll(route => neighbours.ContainsKey((route.Device, route.Next)));
        }

        bool changed = false;
        foreach (Route route in routes)
        {
            if (!neighbours.TryGetValue((route.Device, route.Next), out PhysicalAddress? to)) continue;
            if (!devices.TryGetValue(route.Device, out Device? device)) continue;
            var hop = new NextHop(device.Index, device.Address, to, route.Source, device.Mtu, device.Vlan);
            if (known.TryGetValue(route.Backend, out NextHop? before) && before == hop) continue;
            known[route.Backend] = hop;
            changed = true;
        }

        return changed;
    }

    /// <summary>A datagram to the discard port has the kernel ask for the neighbour.</summary>
    private static void Provoke(IPAddress next, string device)
    {
        try
        {
            var to = new IPEndPoint(next, DiscardPort);
            if (next.IsIPv6LinkLocal) to.Address = new IPAddress(next.GetAddressBytes(), Libc.InterfaceIndex(device));
            using var socket = new Socket(next.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            socket.SendTo([0], to);
        }
        catch (SocketException)
        {
            // No route any more, or an answer that says so: the next look tells.
        }
    }

    private List<Route> Routes(IReadOnlyCollection<IPAddress> backends)
    {
        // An answer does not say what was asked; each has its own line, and a failed one an empty list of ours.
        var routes = new List<Route>();
        string questions = string.Join('\n', backends.Select(backend => $"route get {backend}")) + "\n";
        foreach (JsonElement route in Ask(questions, "-json", "-force", "-batch", "-"))
        {
            if (Text(route, "dst") is not { } dst || !IPAddress.TryParse(dst, out IPAddress? backend)) continue;
            if (Text(route, "dev") is not { } device || Text(route, "prefsrc") is not { } source) continue;
            IPAddress next = Text(route, "gateway") is { } gateway ? IPAddress.Parse(gateway)
                : route.TryGetProperty("via", out JsonElement via) ? IPAddress.Parse(Text(via, "host")!) : backend;
            routes.Add(new Route(backend, next, device, IPAddress.Parse(source)));
        }

        return routes;
    }

    private Dictionary<string, Device> Devices()
    {
        var links = Ask(null, "-json", "-details", "link", "show").ToDictionary(link => Text(link, "ifname")!);
        var devices = new Dictionary<string, Device>();
        foreach ((string name, JsonElement link) in links)
        {
            if (!PhysicalAddress.TryParse(Text(link, "address"), out PhysicalAddress? address)) continue;
            if (address.GetAddressBytes().Length != 6) continue;
            uint index = link.GetProperty("ifindex").GetUInt32();
            ushort vlan = 0;
            // A VLAN's frames leave by the device below it, with a tag.
            if (link.TryGetProperty("linkinfo", out JsonElement info) && Text(info, "info_kind") == "vlan"
                && Text(link, "link") is { } below && links.TryGetValue(below, out JsonElement real))
            {
                index = real.GetProperty("ifindex").GetUInt32();
                vlan = info.GetProperty("info_data").GetProperty("id").GetUInt16();
            }

            devices[name] = new Device(index, address, link.GetProperty("mtu").GetInt32(), vlan);
        }

        return devices;
    }

    private Dictionary<(string, IPAddress), PhysicalAddress> Neighbours()
    {
        var neighbours = new Dictionary<(string, IPAddress), PhysicalAddress>();
        foreach (JsonElement one in Ask(null, "-json", "neighbour", "show"))
            if (Text(one, "lladdr") is { } address && PhysicalAddress.TryParse(address, out PhysicalAddress? to))
                neighbours[(Text(one, "dev")!, IPAddress.Parse(Text(one, "dst")!))] = to;
        return neighbours;
    }

    private static string? Text(JsonElement one, string name) =>
        one.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString() : null;

    private List<JsonElement> Ask(string? input, params string[] arguments)
    {
        var start = new ProcessStartInfo("ip", arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using Process ip = Process.Start(start)!;
            Task<string> output = ip.StandardOutput.ReadToEndAsync(), error = ip.StandardError.ReadToEndAsync();
            ip.StandardInput.Write(input);
            ip.StandardInput.Close();
            ip.WaitForExit();
            string said = error.GetAwaiter().GetResult();
            if (said.Length > 0) onFault($"ip: {said.ReplaceLineEndings(" ").Trim()}");
            return Read(output.GetAwaiter().GetResult());
        }
        catch (System.ComponentModel.Win32Exception fault)
        {
            onFault($"ip (Debian package iproute2) does not start: {fault.Message}");
            return [];
        }
    }

    /// <summary>One list after another, as a batch writes them.</summary>
    private static List<JsonElement> Read(string text)
    {
        var all = new List<JsonElement>();
        var reader = new Utf8JsonReader(System.Text.Encoding.UTF8.GetBytes(text),
            new JsonReaderOptions { AllowMultipleValues = true });
        while (reader.Read())
            all.AddRange(JsonElement.ParseValue(ref reader).EnumerateArray().Where(one => one.EnumerateObject().Any()));
        return all;
    }

    private sealed record Route(IPAddress Backend, IPAddress Next, string Device, IPAddress Source);

    private sealed record Device(uint Index, PhysicalAddress Address, int Mtu, ushort Vlan);
}
