using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using Fairlead.Balancer;

namespace Fairlead.InteropTests.Balancer;

/// <summary>
/// Frames in words: layers with " / " between them, from the outside in; lengths and checksums are filled in from the
/// inside out. `eth gw&gt;us / ip4 198.51.100.7&gt;192.0.2.1 / tcp 40000&gt;80 syn data=10`
/// </summary>
internal static class PacketText
{
    public static byte[] Build(string text, ulong flowHash = 0)
    {
        string[] layers = text.Split(" / ", StringSplitOptions.TrimEntries);
        byte[] inner = [];
        string[] innerKind = [];
        for (int i = layers.Length - 1; i >= 0; i--)
        {
            var layer = new Layer(layers[i]);
            // The layer that a transport's pseudo header is made of, extension headers skipped.
            int below = i - 1;
            while (below > 0 && new Layer(layers[below]).Kind is "hop" or "dst" or "route" or "fragment") below--;
            inner = Write(layer, inner, innerKind.Length > 0 ? new Layer(innerKind[0]) : null,
                below >= 0 ? new Layer(layers[below]) : null, flowHash);
            innerKind = [layers[i]];
        }

        return inner;
    }

    /// <summary>The flow that the frame belongs to: that of what an ICMP error quotes, turned around.</summary>
    public static Flow FlowOf(string text)
    {
        Layer[] layers = [.. text.Split(" / ", StringSplitOptions.TrimEntries).Select(word => new Layer(word))];
        bool isError = layers.Any(layer => layer.Kind is "icmp" or "icmp6");
        Layer address = layers.Where(layer => layer.Kind is "ip4" or "ip6").ElementAt(isError ? 1 : 0);
        Layer ports = layers.First(layer => layer.Kind is "tcp" or "udp");
        var from = new IPEndPoint(IPAddress.Parse(address.From), ports.FromNumber);
        var to = new IPEndPoint(IPAddress.Parse(address.To), ports.ToNumber);
        byte protocol = ports.Kind == "tcp" ? (byte)6 : (byte)17;
        return isError ? new Flow(to, from, protocol) : new Flow(from, to, protocol);
    }

    private static byte[] Write(Layer layer, byte[] payload, Layer? next, Layer? below, ulong hash) => layer.Kind switch
    {
        "eth" => [.. Mac(layer.To), .. Mac(layer.From), .. Be16(EtherType(layer, next)), .. payload],
        "vlan" or "qinq" => [.. Be16(layer.Number), .. Be16(EtherType(layer, next)), .. payload],
        "ip4" => IPv4(layer, payload, next),
        "ip6" => IPv6(layer, payload, next, hash),
        "hop" or "dst" or "route" => Extension(layer, payload, next),
        "fragment" => [(byte)Protocol(layer, next), 0,
            .. Be16((layer.Value("off", 0) & ~7) | (layer.Has("mf") ? 1 : 0)),
            .. Be32((uint)layer.Value("id", 1)), .. payload],
        "tcp" => Tcp(layer, payload, below!),
        "udp" => Udp(layer, payload, below!, hash),
        "gue" => [.. Gue(layer, next), .. payload],
        "icmp" => Summed([(byte)layer.Value("type", 3), (byte)layer.Value("code", 0), 0, 0, 0, 0,
            .. Be16(layer.Value("mtu", 0)), .. payload], 2, []),
        "icmp6" => Summed([(byte)layer.Value("type", 1), (byte)layer.Value("code", 0), 0, 0,
            .. Be32((uint)layer.Value("mtu", 0)), .. payload], 2, Pseudo(below!, 58)),
        "bytes" => Enumerable.Range(0, layer.Number).Select(i => (byte)i).ToArray(),
        "hex" => Convert.FromHexString(layer.Words[1]),
        // What is inside, cut after so many bytes: errors quote no more, and cards deliver such things.
        "cut" => payload[..Math.Min(payload.Length, layer.Number)],
        _ => throw new FormatException($"no layer '{layer.Kind}'"),
    };

    private static byte[] IPv4(Layer layer, byte[] payload, Layer? next)
    {
        byte[] options = layer.Text("opt") is { } hex ? Convert.FromHexString(hex) : [];
        int header = 20 + options.Length;
        byte[] packet = [.. new byte[header], .. payload];
        packet[0] = (byte)(layer.Value("version", 4) << 4 | layer.Value("ihl", header / 4));
        packet[1] = (byte)layer.Value("tos", 0);
        Be16(layer.Value("len", packet.Length)).CopyTo(packet, 2);
        Be16(layer.Value("id", 0)).CopyTo(packet, 4);
        Be16((layer.Has("df") ? 0x4000 : 0) | (layer.Has("mf") ? 0x2000 : 0) | layer.Value("off", 0) / 8)
            .CopyTo(packet, 6);
        packet[8] = (byte)layer.Value("ttl", 64);
        packet[9] = (byte)Protocol(layer, next);
        IPAddress.Parse(layer.From).GetAddressBytes().CopyTo(packet, 12);
        IPAddress.Parse(layer.To).GetAddressBytes().CopyTo(packet, 16);
        options.CopyTo(packet, 20);
        Be16(Sum(packet.AsSpan(0, header), 0)).CopyTo(packet, 10);
        return packet;
    }

    private static byte[] IPv6(Layer layer, byte[] payload, Layer? next, ulong hash)
    {
        uint label = layer.Text("label") == "flow" ? (uint)hash & 0xfffff : (uint)layer.Value("label", 0);
        return
        [
            .. Be32(((uint)layer.Value("version", 6) << 28) | ((uint)layer.Value("tc", 0) << 20) | label),
            .. Be16(layer.Value("len", payload.Length)), (byte)Protocol(layer, next), (byte)layer.Value("ttl", 64),
            .. IPAddress.Parse(layer.From).GetAddressBytes(), .. IPAddress.Parse(layer.To).GetAddressBytes(),
            .. payload,
        ];
    }

    private static byte[] Extension(Layer layer, byte[] payload, Layer? next)
    {
        byte[] header = new byte[8 * (1 + layer.Value("words", 0))];
        header[0] = (byte)Protocol(layer, next);
        header[1] = (byte)layer.Value("words", 0);
        // Options: one PadN over the rest. A routing header of type 0 with nothing left is the same to us.
        if (layer.Kind != "route") (header[2], header[3]) = (1, (byte)(header.Length - 4));
        return [.. header, .. payload];
    }

    private static byte[] Tcp(Layer layer, byte[] payload, Layer below)
    {
        int flags = (layer.Has("fin") ? 1 : 0) | (layer.Has("syn") ? 2 : 0) | (layer.Has("rst") ? 4 : 0)
            | (layer.Has("ack") ? 16 : 0);
        byte[] options = layer.Text("mss") is { } mss
            ? [2, 4, .. Be16(int.Parse(mss, CultureInfo.InvariantCulture))] : [];
        options = [.. options, .. Convert.FromHexString(layer.Text("opt") ?? "")];
        return Summed(
            [.. Be16(layer.FromNumber), .. Be16(layer.ToNumber), .. Be32((uint)layer.Value("seq", 1000)),
                .. Be32((uint)layer.Value("ackno", flags == 2 ? 0 : 2000)), (byte)((5 + options.Length / 4) << 4),
                (byte)flags, .. Be16(layer.Value("window", 8192)), 0, 0, 0, 0, .. options,
                .. new byte[layer.Value("data", 0)], .. payload],
            16, Pseudo(below, 6));
    }

    /// <summary>
    /// A TCP frame with another sequence number, for one that nobody can foretell. A checksum that was wrong stays so.
    /// </summary>
    public static byte[] WithSequence(byte[] frame, uint sequence)
    {
        int tcp = 14 + (frame[12] == 0x08 ? 20 : 40);
        Span<byte> number = frame.AsSpan(tcp + 4, 4), check = frame.AsSpan(tcp + 16, 2);
        // What gives way is taken from the sum, what comes in is added.
        uint sum = (uint)(ushort)~BinaryPrimitives.ReadUInt16BigEndian(check);
        for (int i = 0; i < 4; i += 2) sum += (ushort)~BinaryPrimitives.ReadUInt16BigEndian(number[i..]);
        BinaryPrimitives.WriteUInt32BigEndian(number, sequence);
        BinaryPrimitives.WriteUInt16BigEndian(check, (ushort)Sum(number, sum));
        return frame;
    }

    private static byte[] Udp(Layer layer, byte[] payload, Layer below, ulong hash)
    {
        int from = layer.From == "flow" ? 0xc000 | (int)(hash & 0x3fff) : layer.FromNumber;
        byte[] data =
            [.. Convert.FromHexString(layer.Text("hex") ?? ""), .. new byte[layer.Value("data", 0)], .. payload];
        byte[] datagram = [.. Be16(from), .. Be16(layer.ToNumber), .. Be16(8 + data.Length), 0, 0, .. data];
        if (layer.Has("nosum")) return datagram;
        Summed(datagram, 6, Pseudo(below, 17));
        if (datagram[6] == 0 && datagram[7] == 0) (datagram[6], datagram[7]) = (0xff, 0xff);
        return datagram;
    }

    private static byte[] Gue(Layer layer, Layer? next)
    {
        byte[][] others =
            [.. (layer.Text("other")?.Split(',') ?? []).Select(other => IPAddress.Parse(other).GetAddressBytes())];
        byte[] all = [.. others.SelectMany(other => other)];
        byte[] head = [(byte)(all.Length == 0 ? 0 : 1 + all.Length / 4), (byte)Protocol(layer, next), 0, 0];
        return all.Length == 0 ? head : [.. head, 0xf1, (byte)(others[0].Length == 4 ? 4 : 6),
            (byte)layer.Value("left", others.Length), 0, .. all];
    }

    private static byte[] Summed(byte[] message, int at, byte[] pseudo)
    {
        byte[] whole = pseudo.Length == 0 ? [] : [.. pseudo, .. Be32((uint)message.Length)];
        Be16(Sum(message, Add(whole, 0))).CopyTo(message, at);
        return message;
    }

    // Addresses and protocol; the length comes behind. RFC 8200 §8.1 and RFC 9293 §3.1 add up to the same.
    private static byte[] Pseudo(Layer below, int protocol) =>
    [
        .. IPAddress.Parse(below.From).GetAddressBytes(), .. IPAddress.Parse(below.To).GetAddressBytes(),
        0, (byte)protocol,
    ];

    private static int EtherType(Layer layer, Layer? next) => layer.Value("type", next?.Kind switch
    {
        "ip4" => 0x0800,
        "ip6" => 0x86dd,
        "vlan" => 0x8100,
        "qinq" => 0x88a8,
        _ => 0x88b5,
    });

    private static int Protocol(Layer layer, Layer? next) => layer.Value("proto", next?.Kind switch
    {
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        "icmp6" => 58,
        "ip4" => 4,
        "ip6" => 41,
        "hop" => 0,
        "dst" => 60,
        "route" => 43,
        "fragment" => 44,
        _ => 59,
    });

    private static byte[] Mac(string name) => name switch
    {
        "us" => [2, 0, 0, 0, 0, 1],
        "gw" => [2, 0, 0, 0, 0, 0xfe],
        ['b', .. var number] => [2, 0, 0, 0, 1, byte.Parse(number, CultureInfo.InvariantCulture)],
        _ => throw new FormatException($"nobody is called '{name}'"),
    };

    private static uint Add(ReadOnlySpan<byte> data, uint sum)
    {
        for (int i = 0; i < data.Length; i++) sum += i % 2 == 0 ? (uint)data[i] << 8 : data[i];
        return sum;
    }

    private static int Sum(ReadOnlySpan<byte> data, uint start)
    {
        uint sum = Add(data, start);
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
        return (int)(~sum & 0xffff);
    }

    private static byte[] Be16(int value)
    {
        byte[] bytes = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, (ushort)value);
        return bytes;
    }

    private static byte[] Be32(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    /// <summary>"kind from&gt;to word name=value".</summary>
    private sealed class Layer(string text)
    {
        public string[] Words { get; } = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);

        public string Kind => Words[0];

        public string From => Words[1].Split('>')[0];

        public string To => Words[1].Split('>')[1];

        public int Number => int.Parse(Words[1], CultureInfo.InvariantCulture);

        public int FromNumber => int.Parse(From, CultureInfo.InvariantCulture);

        public int ToNumber => int.Parse(To, CultureInfo.InvariantCulture);

        public bool Has(string word) => Words.Contains(word);

        public string? Text(string name) =>
            Words.FirstOrDefault(word => word.StartsWith(name + "=", StringComparison.Ordinal))?[(name.Length + 1)..];

        public int Value(string name, int otherwise) =>
            Text(name) is { } value ? int.Parse(value, CultureInfo.InvariantCulture) : otherwise;
    }
}
