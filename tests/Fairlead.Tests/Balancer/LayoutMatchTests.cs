using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Fairlead.Balancer.Maps;

namespace Fairlead.Tests.Balancer;

/// <summary>The structs of Layout.cs against those of the compiled object, by its BTF.</summary>
public partial class LayoutMatchTests
{
    private static readonly (Type Ours, string Theirs)[] Structs =
    [
        (typeof(FlCopy), "fl_copy"), (typeof(FlControl), "fl_control"), (typeof(FlVip), "fl_vip"),
        (typeof(FlService), "fl_service"), (typeof(FlSlot), "fl_slot"), (typeof(FlBackend), "fl_backend"),
        (typeof(FlBucket), "fl_bucket"), (typeof(FlVipCount), "fl_vip_count"),
        (typeof(FlBackendCount), "fl_backend_count"), (typeof(FlQuicId), "fl_quic_id"),
        (typeof(FlTap), "fl_tap"), (typeof(FlEvent), "fl_event"),
        (typeof(FlQuicConfig), "fl_quic_config"), (typeof(FlBlock), "fl_block"),
    ];

    [Fact]
    public void Every_field_lies_where_the_kernels_part_has_it()
    {
        using JsonDocument btf = JsonDocument.Parse(Dump());
        JsonElement[] types = [.. btf.RootElement.GetProperty("types").EnumerateArray()];
        foreach ((Type ours, string theirs) in Structs)
        {
            JsonElement type = Array.Find(
                types, t => Kind(t) == "STRUCT" && t.GetProperty("name").GetString() == theirs);
            Assert.True(type.ValueKind == JsonValueKind.Object, $"{theirs} is not in the object");
            Assert.Equal((theirs, type.GetProperty("size").GetInt32()), (theirs, Marshal.SizeOf(ours)));
            foreach (JsonElement member in type.GetProperty("members").EnumerateArray())
            {
                string name = Camel(member.GetProperty("name").GetString()!);
                // key[2] and reserved[2] are two fields each, the first of them at the array's place.
                FieldInfo? field = ours.GetField(name) ?? ours.GetField(name + "0");
                Assert.True(field is not null, $"{theirs}.{name} has no field in {ours.Name}");
                Assert.Equal(($"{theirs}.{name}", member.GetProperty("bits_offset").GetInt32() / 8),
                    ($"{theirs}.{name}", (int)Marshal.OffsetOf(ours, field.Name)));
            }
        }
    }

    [Fact]
    public void The_reasons_have_the_same_names_and_numbers()
    {
        // BTF has the enums that structs speak of, and none does of this one: its names are the header's.
        string header = File.ReadAllText(Path.Combine(Fixture.Repository, "bpf/fairlead.h"));
        string body = header[header.IndexOf("enum fl_reason {", StringComparison.Ordinal)..];
        IEnumerable<string> names = Name().Matches(body[..body.IndexOf('}', StringComparison.Ordinal)])
            .Select(match => Camel(match.Groups[1].Value));
        Assert.Equal(names, Enum.GetNames<PacketReason>());
    }

    [GeneratedRegex(@"^\tFL_([A-Z_]+),", RegexOptions.Multiline)]
    private static partial Regex Name();

    private static string Kind(JsonElement type) => type.GetProperty("kind").GetString()!;

    private static string Camel(string name)
    {
        var camel = new StringBuilder();
        foreach (string word in name.Split('_', StringSplitOptions.RemoveEmptyEntries))
            camel.Append(char.ToUpperInvariant(word[0])).Append(word[1..].ToLowerInvariant());
        return $"{camel}";
    }

    private static string Dump()
    {
        string build = new DirectoryInfo(AppContext.BaseDirectory).Name;
        string file = Path.Combine(Fixture.Repository, "artifacts/obj/Fairlead.Balancer", build, "bpf/balancer.bpf.o");
        string program = File.Exists("/usr/sbin/bpftool") ? "/usr/sbin/bpftool" : "bpftool";
        using Process dump = Process.Start(new ProcessStartInfo(program, ["-j", "btf", "dump", "file", file])
        {
            RedirectStandardOutput = true,
        })!;
        string text = dump.StandardOutput.ReadToEnd();
        dump.WaitForExit();
        Assert.Equal(0, dump.ExitCode);
        return text;
    }
}
