using System.Globalization;
using System.Runtime.InteropServices;
using Fairlead.Net.Linux;

namespace Fairlead.Balancer.Programs;

/// <summary>
/// What outlives the process: links, programs and maps under names of a BPF file system. Links lie in the folder
/// itself, the maps and the program of one load in a folder of their own, named by the program's build and a number;
/// the links say which load is the one that packets go through.
/// </summary>
public sealed class PinFolder
{
    private readonly string root;

    /// <summary>Makes the folder; mounts the BPF file system in its usual place when nobody has.</summary>
    public PinFolder(string root)
    {
        this.root = root;
        if (root.StartsWith(BpfFs.Root + "/", StringComparison.Ordinal)) BpfFs.Mount();
        try
        {
            Directory.CreateDirectory(root);
        }
        catch (UnauthorizedAccessException fault)
        {
            throw new IOException($"{root} cannot be made: {fault.Message}", fault);
        }

        if (!BpfFs.Is(root)) throw new IOException($"{root} is not on a BPF file system: mount -t bpf bpf {root}");
    }

    public IEnumerable<string> Loads => Directory.EnumerateDirectories(root).Select(path => Path.GetFileName(path)!);

    /// <summary>The devices that a link is pinned for.</summary>
    public IEnumerable<string> Devices =>
        Directory.EnumerateFiles(root, "link-*").Select(path => Path.GetFileName(path)["link-".Length..]);

    public BpfObject? Link(string device) => BpfObject.Pinned(LinkPath(device));

    public void PinLink(string device, BpfObject link) => link.Pin(LinkPath(device));

    /// <summary>The link goes, and the program from the device with it.</summary>
    public void RemoveLink(string device)
    {
        // The kernel ends a link some time after its last name: said so, the program is off the device now.
        using (BpfObject? link = Link(device)) link?.Detach();
        File.Delete(LinkPath(device));
    }

    /// <summary>Pins all of a load under a name that is not taken, and gives the name.</summary>
    public string PinLoad(string identity, IReadOnlyDictionary<string, BpfObject> objects)
    {
        int number = 0;
        string name;
        do name = string.Create(CultureInfo.InvariantCulture, $"{identity}-{number++}");
        while (Directory.Exists(Path.Combine(root, name)));
        string folder = Path.Combine(root, name);
        Directory.CreateDirectory(folder);
        foreach ((string key, BpfObject one) in objects) one.Pin(Path.Combine(folder, FileOf(key)));
        return name;
    }

    /// <summary>The objects of a load; null when it is not complete, as after a crash half way.</summary>
    public Dictionary<string, BpfObject>? OpenLoad(string name, IEnumerable<string> keys)
    {
        var objects = new Dictionary<string, BpfObject>(StringComparer.Ordinal);
        foreach (string key in keys)
        {
            if (BpfObject.Pinned(Path.Combine(root, name, FileOf(key))) is not { } one)
            {
                foreach (BpfObject other in objects.Values) other.Dispose();
                return null;
            }

            objects[key] = one;
        }

        return objects;
    }

    public void RemoveLoad(string name)
    {
        string folder = Path.Combine(root, name);
        foreach (string file in Directory.EnumerateFiles(folder)) File.Delete(file);
        Directory.Delete(folder);
    }

    public void RemoveAll()
    {
        foreach (string device in Devices.ToList()) RemoveLink(device);
        foreach (string load in Loads.ToList()) RemoveLoad(load);
        Directory.Delete(root);
    }

    /// <summary>The id of the program that a link runs; struct bpf_link_info: type, id, program id.</summary>
    public static uint ProgramOf(BpfObject link) => Word(link, 2);

    /// <summary>struct bpf_prog_info: type, id.</summary>
    public static uint IdOf(BpfObject program) => Word(program, 1);

    private static uint Word(BpfObject one, int at)
    {
        Span<byte> info = stackalloc byte[64];
        one.Describe(info);
        return MemoryMarshal.Read<uint>(info[(4 * at)..]);
    }

    private static string FileOf(string key) => key.Replace(' ', '-');

    private string LinkPath(string device) => Path.Combine(root, "link-" + device);
}
